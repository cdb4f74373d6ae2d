"""A policy's template as a Jinja chat template, for every other program that serves its model.

`compact` and `spaced` are written out in Jinja; a model's own template gets what loopd puts around it: no thinking, no
clock, and tools where it shows none. Without a system message a conversation has the policy's own.

The source needs nothing but Jinja: no `tojson`, which runtimes spell differently, and no setting for white space. What
it cannot do as loopd does: text that spells a special token is one here, JSON results keep their spelling of numbers
and escapes, NUL is left as it is, what is nearly JSON is taken for it, and calls have one spelling, whatever the model
said.
"""

import re
from pathlib import Path
from typing import Final

from loop.errors import ConfigError
from loop.templates.compact import MAX_DESCRIPTION, MAX_ENUM, Compact
from loop.templates.native import Native, source_of
from loop.templates.parse import CLOSE, OPEN
from loop.templates.render import Renderer
from loop.templates.sandbox import TODAY

CLOCK: Final = re.compile(r"""strftime_now\(\s*(?:'([^'\n]{1,60})'|"([^"\n]{1,60})")""")
"""What formats a template asks the date in."""
LITERAL: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
ESCAPES: Final = {'"': '\\"', "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"} | {
    chr(code): f"\\u{code:04x}" for code in range(1, 0x20) if chr(code) not in "\b\f\n\r\t"
}
MACROS: Final = r"""
{%- macro text(content) -%}
    {%- if content is string -%}{{ content }}
    {%- elif content is sequence -%}{%- for part in content -%}{{ part['text'] or '' }}{%- endfor -%}{%- endif -%}
{%- endmacro -%}

{%- macro string(text) -%}"{{ text ESCAPED }}"{%- endmacro -%}

{%- macro json(value, pad, ordered) -%}
    {%- if value is none -%}null
    {%- elif value is boolean -%}{{ 'true' if value else 'false' }}
    {%- elif value is string -%}{{ string(pad ~ value) }}
    {%- elif value is mapping -%}
        {{- '{' -}}
        {%- for key, inner in (value | dictsort(true) if ordered else value.items()) -%}
            {{ '' if loop.first else ', ' }}{{ string(key) }}: {{ json(inner, pad, ordered) }}
        {%- endfor -%}
        {{- '}' -}}
    {%- elif value is sequence -%}
        [{%- for inner in value -%}{{ '' if loop.first else ', ' }}{{ json(inner, pad, ordered) }}{%- endfor -%}]
    {%- else -%}{{ value }}{%- endif -%}
{%- endmacro -%}

{%- macro kind(schema) -%}
    {%- if schema is not mapping -%}any
    {%- else -%}
        {%- set enum = schema.get('enum') -%}
        {%- if enum is sequence and enum is not string and 0 < enum | length <= MAX_ENUM -%}
            {%- for value in enum -%}{{ '' if loop.first else '|' }}{{ json(value, '', false) }}{%- endfor -%}
        {%- elif schema.get('type') == 'array' -%}{{ kind(schema.get('items')) }}[]
        {%- else -%}{{ schema.get('type', 'any') }}{%- endif -%}
    {%- endif -%}
{%- endmacro -%}

{%- macro about(description) -%}
    {#- llama.cpp's split() leaves empty words. -#}
    {%- set told = (description or '').rsplit('Tool description:', 1) | last -%}
    {%- set told = told.replace('\n', ' ').split() | join(' ') -%}
    {%- set seen = namespace(words=[]) -%}
    {%- for word in told.split(' ') if word -%}{%- set seen.words = seen.words + [word] -%}{%- endfor -%}
    {%- set own = seen.words | join(' ') -%}
    {%- set sentence = (own.split('. ', 1) | first).rstrip('.') -%}
    {%- set cut = sentence[:MAX_DESCRIPTION].rsplit(' ', 1) | first -%}
    {%- set shown = sentence if sentence | length <= MAX_DESCRIPTION else cut -%}
    {{ ' - ' ~ shown if shown else '' }}
{%- endmacro -%}

{%- macro signature(tool) -%}
    {%- set parameters = tool.get('parameters') or {} -%}
    {%- set kinds = parameters.get('properties') -%}
    {%- set kinds = kinds if kinds is mapping else {} -%}
    {%- set listed = parameters.get('required') -%}
    {%- set seen = namespace(needed=[], first=true) -%}
    {%- if listed is sequence and listed is not string -%}
        {%- for name in listed if name is string and name in kinds -%}
            {%- set seen.needed = seen.needed + [name] -%}
        {%- endfor -%}
    {%- endif -%}
    {{ tool['name'] }}(
    {%- for name in seen.needed -%}
        {{ '' if seen.first else ', ' }}{{ name }}: {{ kind(kinds[name]) }}{%- set seen.first = false -%}
    {%- endfor -%}
    {%- for name, schema in kinds | dictsort(true) if name not in seen.needed -%}
        {{ '' if seen.first else ', ' }}{{ name }}?: {{ kind(schema) }}{%- set seen.first = false -%}
    {%- endfor -%}
    ){{ about(tool.get('description')) }}
{%- endmacro -%}

RESULT_MACRO

{%- macro written(tool_call) -%}
    {%- set made = tool_call['function'] if 'function' in tool_call else tool_call -%}
    {%- set arguments = made['arguments'] if 'arguments' in made else {} -%}
    OPEN{{ '{"name": ' }}{{ string(made['name']) }}, "arguments": {% if arguments is string -%}
    {{ result(arguments) }}{%- else -%}{{ json(arguments, PAD, true) }}{%- endif -%}{{ '}' }}CLOSE
{%- endmacro -%}
"""
RESULT: Final = r"""
{%- macro result(content) -%}{{ content }}{%- endmacro -%}
"""
SPACED_RESULT: Final = r"""
{%- macro result(content) -%}
    {#- Text between quotation marks is a string; what is outside tells keys from values, and JSON from other text. -#}
    {%- set parts = (content | trim).replace('\\\\', '\x01').replace('\\"', '\x02').split('"') -%}
    {%- set seen = namespace(outside='') -%}
    {%- for part in parts -%}
        {%- if loop.index0 is even -%}{%- set seen.outside = seen.outside ~ ' ' ~ part -%}{%- endif -%}
    {%- endfor -%}
    {%- set words = seen.outside.replace('true', '').replace('false', '').replace('null', '') -%}
    {%- set left = (words.replace('\n', ' ').replace('\t', ' ').split() | join(''))PUNCTUATION -%}
    {%- set number = content in [content | int | string, content | float | string] -%}
    {%- set whole = (content | trim)[:1] in ['{', '[', '"'] or content | trim in ['true', 'false', 'null'] or number -%}
    {%- if whole and not left and parts | length is odd
          and words.split('{') | length == words.split('}') | length
          and words.split('[') | length == words.split(']') | length -%}
        {%- for part in parts -%}
            {%- if loop.index0 is even -%}
                {%- set bare = part.replace('\n', ' ').replace('\t', ' ').split() | join('') -%}
                {{ bare.replace(',', ', ').replace(':', ': ') }}
            {%- else -%}"{{ '' if (loop.nextitem.lstrip())[:1] == ':' else ' ' }}
                {{- part.replace('\x02', '\\"').replace('\x01', '\\\\') }}"{%- endif -%}
        {%- endfor -%}
    {%- else -%}{{ PAD ~ content }}{%- endif -%}
{%- endmacro -%}
"""
CONVERSATION: Final = r"""
{%- set said = messages[0]['role'] == 'system' if messages else false -%}
{%- set system = text(messages[0]['content']) if said else SYSTEM -%}
{{ OPENING }}{{ BEFORE_SYSTEM }}{{ system }}
{%- if tools -%}
    {{ '\n\n' if system else '' }}{{ 'Tools:' }}
    {%- for tool in tools -%}
        {{ '\n' }}{{ signature(tool['function'] if 'function' in tool else tool).replace('\n', ' ') }}
    {%- endfor -%}
    {{ SHOWN }}
{%- endif -%}
{{ BEHIND }}
{%- for message in (messages[1:] if said else messages) -%}
    {{ START ~ ROLE ~ GAP }}
    {%- set content = text(message['content']) -%}
    {%- if message['role'] == 'assistant' -%}
        {%- set calls = message['tool_calls'] or [] -%}
        {{ content }}{{ '\n' if content and calls else '' }}
        {%- for each in calls -%}{{ '' if loop.first else '\n' }}{{ written(each) }}{%- endfor -%}
    {%- elif message['role'] == 'tool' -%}{{ result(content) }}
    {%- else -%}{{ PAD ~ content }}{%- endif -%}
    {{ BEHIND }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ BEFORE_ASSISTANT }}{%- endif -%}
"""

TOLD_IN_SYSTEM: Final = r"""
{%- if tools -%}
    {%- set said = messages[0]['role'] == 'system' if messages else false -%}
    {%- set before = messages[0]['content'] ~ '\n\n' if said and messages[0]['content'] else '' -%}
    {%- set lines = tools | map('tojson') | join('\n') -%}
    {%- set told = {'role': 'system', 'content': before ~ 'Tools:\n' ~ lines} -%}
    {%- set messages = [told] + (messages[1:] if said else messages) -%}
    {%- set tools = none -%}
{%- endif -%}
"""


def chat_template(renderer: Renderer, base: Path, system: str) -> str:
    """Write a policy's template as a Jinja chat template.

    Args:
        renderer: the policy's own.
        base: directory of the base model, for a template that came with it.
        system: the policy's system prompt.

    Raises:
        ConfigError: the base model has no template of its own.
    """
    template = renderer.template
    if isinstance(template, Compact):
        return _written_out(template, system)
    assert isinstance(template, Native), "there are no other templates"
    return _surrounded(template, base, system)


def _written_out(template: Compact, system: str) -> str:
    pad = template.pad
    shown = template.shown()
    replaced = {
        "RESULT_MACRO": (SPACED_RESULT if pad else RESULT).strip().replace(r"\x01", "\x01").replace(r"\x02", "\x02"),
        "PUNCTUATION": "".join(f".replace({_literal(mark)}, '')" for mark in "{}[],:0123456789+-.eE"),
        "ESCAPED": "".join(
            f".replace({_literal(mark)}, {_literal(spelled)})" for mark, spelled in {"\\": "\\\\", **ESCAPES}.items()
        ),
        "MAX_ENUM": str(MAX_ENUM),
        "MAX_DESCRIPTION": str(MAX_DESCRIPTION),
        "OPEN": OPEN,
        "CLOSE": CLOSE,
        "PAD": _literal(pad),
        **{name: _literal(text) for name, text in spelled(template).items()},
        "ROLE": _role(template),
        "SHOWN": _literal(f"\n\n{shown}" if shown else ""),
        "SYSTEM": _literal(system),
    }
    source = f"{MACROS.strip()}\n{CONVERSATION.strip()}"
    for name, text in replaced.items():
        source = re.sub(rf"\b{name}\b", lambda _, text=text: text, source)  # type: ignore[misc]  # bound now
    return source


def spelled(template: Compact) -> dict[str, str]:
    """Spell how turns begin and end, by the names that templates written out have for it."""
    turns = template.turns
    gap = turns.close + turns.gap
    return {
        "OPENING": turns.opening,
        "BEFORE_SYSTEM": turns.start + turns.role("system") + gap,
        "BEFORE_ASSISTANT": turns.start + turns.role("assistant") + gap,
        "START": turns.start,
        "GAP": gap,
        "BEHIND": turns.end + turns.after,
    }


def _role(template: Compact) -> str:
    """Give the expression for a message's role, in the family's words."""
    own = "message['role']"
    for role, word in template.turns.roles.items():
        own = f"({_literal(word)} if message['role'] == {_literal(role)} else {own})"
    return own


def _literal(text: str) -> str:
    """Spell a string as every Jinja reads it: llama.cpp's knows no escapes by number, so other letters stay."""
    for mark, spelling in LITERAL.items():
        text = text.replace(mark, spelling)
    return f'"{text}"'


def _surrounded(template: Native, base: Path, system: str) -> str:
    """Put before a model's own template what `Native` gives it."""
    source = source_of(base)
    if source is None:
        raise ConfigError(f"{base} has no chat template.")
    before = ["{%- set enable_thinking = false -%}"]
    if formats := sorted({one or other for one, other in CLOCK.findall(source)}):
        dates = ", ".join(f"{_literal(pattern)}: {_literal(TODAY.strftime(pattern))}" for pattern in formats)
        before.append(f"{{%- macro strftime_now(format) -%}}{{{{ {{{dates}}}[format] }}}}{{%- endmacro -%}}")
    if system:
        own = f"[{{'role': 'system', 'content': {_literal(system)}}}]"
        before.append(
            "{%- if not messages or messages[0]['role'] != 'system' -%}"
            f"{{%- set messages = {own} + messages -%}}{{%- endif -%}}"
        )
    if not template.shows_tools:
        before.append(TOLD_IN_SYSTEM.strip())
    return "\n".join([*before, "{{- '' }}"]) + source
