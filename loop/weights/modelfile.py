"""An Ollama Modelfile. Ollama renders with Go's templates, not with Jinja: this one comes near, and says where not."""

from typing import Final

from loop.templates.compact import Compact
from loop.templates.parse import CLOSE, OPEN
from loop.templates.render import Template
from loop.templates.spans import END, START
from loop.weights.speech import Speech

TURNS: Final = (
    f"{START}system\n"
    "{{ .System }}{{ if .Tools }}{{ if .System }}\n\n{{ end }}Tools:\n"
    "{{- range .Tools }}\n{{ .Function }}{{ end }}SHOWN{{ end }}"
    f"{END}\n"
    '{{ range $i, $each := .Messages }}{{ if ne .Role "system" }}'
    f"{START}"
    "{{ .Role }}\n"
    '{{ if eq .Role "assistant" }}{{ .Content }}{{ if and .Content .ToolCalls }}\n{{ end }}'
    "{{ range $n, $call := .ToolCalls }}{{ if $n }}\n{{ end }}"
    f"{OPEN}"
    '{"name": "{{ .Function.Name }}", "arguments": {{ .Function.Arguments }}}'
    f"{CLOSE}"
    "{{ end }}{{ else }}PAD{{ .Content }}{{ end }}"
    f"{END}\n"
    "{{ end }}{{ end }}"
    f"{START}assistant\n"
)
"""ChatML with a line of JSON for each tool."""
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
        shown = template.shown()
        turns = TURNS.replace("SHOWN", f"\n\n{shown}" if shown else "").replace("PAD", template.pad)
        lines.append(f'TEMPLATE """{turns}"""')
    if system:
        lines.append(f'SYSTEM """{system}"""')
    lines += [f"PARAMETER stop {how.end_text}", "PARAMETER temperature 0", f"PARAMETER num_ctx {context}"]
    return "\n".join(lines) + "\n"


def differences(template: Template) -> tuple[str, ...]:
    """Say in what a prompt of Ollama's differs from the policy's own."""
    if not isinstance(template, Compact):
        return ("Ollama renders with the Go template that it knows for this family",)
    return DIFFERS + (DIFFERS_SPACED if template.pad else ())
