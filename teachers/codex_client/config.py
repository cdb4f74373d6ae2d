"""What the Codex client is told: a configuration that leaves it no tool, no memory, no telemetry and no patience.

Its defaults offer shell, file and web tools and read the user's own configuration, which must never meet the text of a
tool result. Every key was verified with `--strict-config` on codex-cli 0.163; `loopd doctor` verifies the
operator's own version against a loopback fake.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, cast

from pydantic import JsonValue

from loop.errors import FailureKind, ProviderError, nearest
from loop.types import Record
from teachers.provider.prompt import POLICY

PROVIDER: Final = "loopd"

HEAD: Final[Mapping[str, JsonValue]] = {
    "model_reasoning_summary": "none",
    "model_auto_compact_token_limit": 10_000_000,
    "model_provider": PROVIDER,
    "approval_policy": "never",
    "sandbox_mode": "read-only",
    "web_search": "disabled",
    "include_permissions_instructions": False,
    "include_apps_instructions": False,
    "include_collaboration_mode_instructions": False,
    "include_environment_context": False,
    "include_environment_context_time": False,
    "project_doc_max_bytes": 0,
    "allow_login_shell": False,
    "check_for_update_on_startup": False,
    "hide_agent_reasoning": True,
    "cli_auth_credentials_store": "file",
    "mcp_servers": {},
    "notify": [],
    "suppress_unstable_features_warning": True,
}
"""Top level of config.toml."""

TABLES: Final[Mapping[str, Mapping[str, JsonValue]]] = {
    "history": {"persistence": "none"},
    "analytics": {"enabled": False},
    "feedback": {"enabled": False},
    "otel": {"exporter": "none"},
    "skills": {"include_instructions": False, "bundled": {"enabled": False}},
    "agents": {"enabled": False},
    "orchestrator": {"skills": {"enabled": False}},
    "tools": {
        "web_search": False,
        "update_plan": {"enabled": False},
        "experimental_request_user_input": {"enabled": False},
    },
    "shell_environment_policy": {"inherit": "none"},
}

FEATURES_OFF: Final = (
    "shell_tool", "unified_exec", "view_image", "goals", "apps", "plugins", "hooks", "image_generation",
    "browser_use", "browser_use_external", "computer_use", "in_app_browser", "tool_suggest", "skill_search",
    "shell_snapshot", "memories", "code_mode_host", "sleep_tool",
    "unbounded_connection_retries",  # on, it waits for a dead server for ever
)  # fmt: skip

PRUNED: Final = ("tool_mode", "apply_patch_tool_type", "multi_agent_version", "model_messages")
"""What a model's entry loses; each brings tools of its own."""

REPLACED: Final[Mapping[str, JsonValue]] = {
    "shell_type": "disabled",
    "experimental_supported_tools": [],
    "supports_search_tool": False,
    "upgrade": None,
    "availability_nux": None,
    "base_instructions": POLICY,
}


class Provider(Record):
    """Where the client sends its requests."""

    base_url: str
    key_env: str | None = None
    """Variable with an API key; None: the operator's subscription."""
    account_url: str | None = None
    """Where a subscription's limits are asked for, if not at the client's default."""
    compress: bool = True
    idle_s: int = 120
    """Longest silence within an answer, in seconds."""


def config_toml(model: str, effort: str, catalog: Path, provider: Provider) -> str:
    """Write config.toml."""
    head: dict[str, JsonValue] = {
        "model": model, "model_reasoning_effort": effort, "model_catalog_json": str(catalog), **HEAD,
    }  # fmt: skip
    if provider.account_url:
        head["chatgpt_base_url"] = provider.account_url
    features: dict[str, JsonValue] = dict.fromkeys(FEATURES_OFF, False)
    features["enable_request_compression"] = provider.compress
    tables = {**TABLES, "features": features, f"model_providers.{PROVIDER}": _provider(provider)}
    return _pairs(head) + "".join(f"\n[{name}]\n{_pairs(table)}" for name, table in tables.items())


def _provider(provider: Provider) -> dict[str, JsonValue]:
    auth: dict[str, JsonValue] = {"env_key": provider.key_env} if provider.key_env else {"requires_openai_auth": True}
    return {
        "name": "OpenAI",
        "base_url": provider.base_url,
        "wire_api": "responses",
        **auth,
        "supports_websockets": False,
        "request_max_retries": 0,
        "stream_max_retries": 0,
        "stream_idle_timeout_ms": provider.idle_s * 1000,
    }


def _pairs(table: Mapping[str, JsonValue]) -> str:
    return "".join(f"{key} = {_toml(value)}\n" for key, value in table.items())


def _toml(value: JsonValue) -> str:
    match value:
        case dict():
            return "{" + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_toml, value)) + "]"
        case str():
            return json.dumps(value).replace("\x7f", "\\u007f")  # a JSON string is a TOML basic string but for DEL
        case _:
            return json.dumps(value)


def pruned_catalog(models: Sequence[Mapping[str, JsonValue]], slug: str) -> str:
    """Write the client's model catalogue with one model, from which everything that brings tools is gone.

    Raises:
        ProviderError: FATAL, the client does not know the model.
    """
    entry = next((dict(model) for model in models if model.get("slug") == slug), None)
    if entry is None:
        known = [str(model.get("slug")) for model in models]
        raise ProviderError(FailureKind.FATAL, f"This Codex client knows no model '{slug}'.{nearest(slug, known)}")
    kept = {key: value for key, value in entry.items() if key not in PRUNED}
    return json.dumps({"models": [{**kept, **REPLACED}]})


def listed_models(text: str) -> list[Mapping[str, JsonValue]]:
    """Read the output of `codex debug models`.

    Raises:
        ValueError: it is no such list.
    """
    start = re.search(r"^\s*\{", text, re.MULTILINE)  # a wrapper may print a line before
    value = json.loads(text[start.start() :] if start else text)
    models = value.get("models") if isinstance(value, dict) else None
    if not isinstance(models, list) or not all(isinstance(model, dict) for model in models):
        raise ValueError("no list of models")
    return cast("list[Mapping[str, JsonValue]]", models)
