"""`loopd status`: what the daemon is doing, or where it stopped."""

from typing import Any, Final

import httpx2
import typer

from loop.cli import access, live, terminal
from loop.cli.access import Json
from loop.cli.terminal import Terminal
from loop.control import progress
from loop.errors import LoopdError, NotFound
from loop.runtime import paths
from loop.serve.address import find
from loop.serve.key import key

app = typer.Typer(add_completion=False)


@app.command()
def status(*, as_json: Json = False) -> None:
    """Show what the daemon is doing, or where it stopped."""
    home = paths.find()
    now = progress.find(home.run)
    paused = _paused()
    if as_json:
        access.show_json({"running": now is not None, "paused": list(paused), **_as_json(now)})
    elif now is not None and now.stage == progress.SERVING:
        terminal.say(f"loopd serve answers at {now.endpoint}. The loop is not running. {_last_round()}")
    elif now is not None:
        Terminal().print(live.picture(now, hint=None))
        terminal.say(f"Endpoint: {now.endpoint or 'closed'}")
        terminal.say(_in_memory(home))
    else:
        terminal.say(f"loopd is not running. {_last_round()}")
    if not as_json and (took := _overhead()):
        terminal.say(took)
    if paused and not as_json:
        which = ", ".join(f"{gate} ({reason})" if reason else gate for gate, reason in paused.items())
        terminal.say(
            f"Paused gates: {which}; nobody is promoted meanwhile. Resume: loopd gate resume {next(iter(paused))}"
        )


def _in_memory(home: paths.Paths) -> str:
    """Name the models that are in memory to answer people, and what each takes."""
    address = find(home.run)
    if address is None:
        return "In memory for people: nobody"
    try:
        headers = {"Authorization": f"Bearer {key(home.data)}"}
        models = httpx2.get(f"{address.url}/stats", headers=headers, timeout=10, trust_env=False).json()["models"]
    except (httpx2.HTTPError, LoopdError, ValueError, KeyError) as error:
        return f"In memory for people: unknown ({type(error).__name__})"
    return f"In memory for people: {', '.join(map(_spelled, models)) or 'nobody'}"


def _spelled(model: dict[str, Any]) -> str:
    sizes = {"base": model.get("base_bytes", 0), "keys and values": model.get("kv_bytes", 0)}
    sizes |= {f"{len(model.get('adapters', ()))} adapters": model.get("adapter_bytes", 0)}
    text = ", ".join(f"{name} {size / 2**20:.0f} MiB" for name, size in sizes.items() if size)
    return f"{model['policy']} ({model['state']}{f'; {text}' if text else ''})"


def _paused() -> dict[str, str]:
    """Name the paused gates, each with the reason given, where there is a store to ask."""
    try:
        with access.reading() as query:
            rows = query("select gate, reason from gate_pause order by gate").rows
            return {str(gate): str(reason) for gate, reason in rows}
    except LoopdError:
        return {}


def _as_json(now: progress.Progress | None) -> dict[str, Any]:
    if now is None:
        return {"last_round": _last_round()}
    return {**now.model_dump(mode="json"), "rate": now.rate, "seconds_left": now.seconds_left}


LAST: Final = """select id, state, reason from round
 where id > 0 and (state <> 'sample' or attempts > 0) order by id desc limit 1"""
ENDED: Final = """select round, seconds, overhead from v_rounds
 where state = 'done' and seconds is not null order by round desc limit 1"""


def _last_round() -> str:
    try:
        with access.reading() as query:
            rows = query(LAST).rows
    except NotFound:
        return "Start it with: loopd start"
    if not rows:
        return "No round has begun."
    number, state, reason = rows[0]
    return f"Round {number} is at '{state}'{f': {reason}' if reason else ''}."


def _overhead() -> str:
    """Say how long the last round took, and how much of that was neither play nor training."""
    try:
        with access.reading() as query:
            rows = query(ENDED).rows
    except LoopdError:
        return ""
    if not rows:
        return ""
    number, seconds, overhead = rows[0]
    return f"Round {number} took {seconds / 60:.1f} min, {100 * overhead:.0f} % of it neither play nor training."
