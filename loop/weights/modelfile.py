"""An Ollama Modelfile. Ollama renders with Go's templates, not with Jinja: this one comes near, and says where not."""

from typing import Final

from loop.templates.chat_template import spelled
from loop.templates.compact import Compact
from loop.templates.parse import CLOSE, OPEN
from loop.templates.render import Template
from loop.weights.speech import Speech

TURNS: Final = (
    "@OPENING@@BEFORE_SYSTEM@"
    "{{ .System }}{{ if .Tools }}{{ if .System }}\n\n{{ end }}Tools:\n"
    "{{- range .Tools }}\n{{ .Function }}{{ end }}@SHOWN@{{ end }}"
    "@BEHIND@"
    '{{ range $i, $each := .Messages }}{{ if ne .Role "system" }}'
    "@START@@ROLE@@GAP@"
    '{{ if eq .Role "assistant" }}{{ .Content }}{{ if and .Content .ToolCalls }}\n{{ end }}'
    "{{ range $n, $call := .ToolCalls }}{{ if $n }}\n{{ end }}"
    f"{OPEN}"
    '{"name": "{{ .Function.Name }}", "arguments": {{ .Function.Arguments }}}'
    f"{CLOSE}"
    "{{ end }}{{ else }}@PAD@{{ .Content }}{{ end }}"
    "@BEHIND@"
    "{{ end }}{{ end }}"
    "@BEFORE_ASSISTANT@"
)
"""The policy's turns, with a line of JSON for each tool."""
DIFFERS: Final = (
    "a tool is a line of JSON there, and one short line in the policy's own prompts",
    "arguments of calls are in Ollama's own order and spacing",
)
DIFFERS_SPACED: Final = ("within JSON no word has the space before it that the policy was trained with",)


def modelfile(template: Template, how: Speech, system: str, context: int) -> str:
    """Write the Modelfile of a GGUF beside it, `model.gguf`.

    A model with its own template is left to Ollama, which knows the usual ones by the template in the GGUF.
    """
    lines = ["FROM ./model.gguf"]
    if isinstance(template, Compact):
        lines.append(f'TEMPLATE """{_turns(template)}"""')
    if system:
        lines.append(f'SYSTEM """{system}"""')
    lines += [f"PARAMETER stop {how.end_text}", "PARAMETER temperature 0", f"PARAMETER num_ctx {context}"]
    return "\n".join(lines) + "\n"


def _turns(template: Compact) -> str:
    shown, text = template.shown(), TURNS
    words = spelled(template) | {
        "ROLE": _role(template),
        "PAD": template.pad,
        "SHOWN": f"\n\n{shown}" if shown else "",
    }
    for name, value in words.items():
        text = text.replace(f"@{name}@", value)
    return text


def _role(template: Compact) -> str:
    """Give Go's words for a message's role, as the family calls it."""
    own = "{{ .Role }}"
    for role, word in template.turns.roles.items():
        own = f'{{{{ if eq .Role "{role}" }}}}{word}{{{{ else }}}}{own}{{{{ end }}}}'
    return own


def differences(template: Template) -> tuple[str, ...]:
    """Say in what a prompt of Ollama's differs from the policy's own."""
    if not isinstance(template, Compact):
        return ("Ollama renders with the Go template that it knows for this family",)
    return DIFFERS + (DIFFERS_SPACED if template.pad else ())
