"""Records to rows and back. A record that comes back equals the one that went in, in its canonical spelling."""

from collections.abc import Container, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from pydantic import JsonValue

from loop.canonical import MAX_BYTES, NotJson, canonical, clean, digest, parse
from loop.errors import Damaged
from loop.redaction import blanking
from loop.store.damage import json_object, reads, there
from loop.store.database import AnyRow
from loop.store.doors import Blank, said
from loop.store.tables import Message as MessageRow
from loop.store.tables import Play as PlayRow
from loop.store.tables import Trajectory as TrajectoryRow
from loop.store.words import spelled
from loop.types import Catalogue, Message, Play, Purpose, Record, Rule, Task, Trajectory, Usage, Verdict

Values = dict[str, Any]


def body(record: Record) -> str:
    """Spell a record as canonical JSON."""
    return canonical(record.model_dump(mode="json"))


def part(record: Record, name: str) -> str:
    """Spell one field of a record as canonical JSON."""
    return canonical(record.model_dump(mode="json", include={name})[name])


def bounded(value: JsonValue) -> str:
    """Spell something that a player wrote, and prove that it can be read again.

    Raises:
        NotJson: too long, too deep, a number that JSON or 64 bits cannot hold.
    """
    try:
        text = canonical(value)
    except (ValueError, RecursionError) as error:
        raise NotJson(str(error)) from error
    parse(text)
    return text


def task_row(task: Task, now: int) -> Values:
    """One row of `task`."""
    return {
        "id": task.id,
        "generator": task.generator,
        "family": task.family,
        "tier": task.tier,
        "seed": task.seed,
        "arm": str(task.arm),
        "backends": "+".join(task.backends),
        "split": task.split,
        "leak_group": clean(task.leak_group),
        "source": clean(task.source),
        "turns": len(task.turns),
        "planned_calls": len(task.plan),
        "body": body(task),
        "added": now,
        "novelty": task.novelty,
    }


def play_row(play: Play, position: int, now: int) -> Values:
    """One row of `play`. A gate's play may be owed again under other conditions, which its id names."""
    unique: list[JsonValue] = [play.round, play.purpose, play.task.id, play.player_name]
    unique += [play.policy, play.suite, play.sample, *([play.id] if play.purpose is Purpose.GATE else [])]
    return {
        "id": play.id,
        "key": digest(unique),
        "round": play.round,
        "position": position,
        "purpose": play.purpose,
        "task": play.task.id,
        "part": body(play.player),
        "player": play.player_name,
        "policy": play.policy,
        "suite": play.suite,
        "system": digest(clean(play.system)),
        "sample": play.sample,
        "seed": play.seed,
        "rule": play.rule.name,
        "steps_per_turn": play.rule.steps_per_turn,
        "owed": now,
    }


def prompt_row(system: str) -> Values:
    """One row of `prompt`."""
    return {"id": digest(clean(system)), "content": clean(system)}


@reads(PlayRow)
def play_of(row: AnyRow, tasks: Mapping[str, Task | Damaged]) -> Play:
    """One row of `play` joined with its prompt, as a record."""
    return Play(
        id=row.id,
        round=row.round,
        purpose=row.purpose,
        task=there(tasks, row.task, "task"),
        player=json_object(row.part),
        player_name=row.player,
        policy=row.policy,
        suite=row.suite,
        sample=row.sample,
        seed=row.seed,
        rule=Rule(name=row.rule, steps_per_turn=row.steps_per_turn),
        system=row.content,
    )


def verdict_row(trajectory_id: str, verdict: Verdict, now: int, blank: Blank) -> Values:
    """One row of `verdict`."""
    return {
        "trajectory": trajectory_id,
        "checker": verdict.checker,
        "version": verdict.version,
        "passed": int(verdict.passed),
        "score": verdict.score,
        "reason": clean(blank(verdict.reason)),
        "evidence": blank(part(verdict, "evidence")),
        "judged": now,
    }


class Spelled(NamedTuple):
    """A trajectory as rows; without the catalogue and the prompts that are stored already."""

    trajectory: Values
    catalogues: list[Values]
    prompts: list[Values]
    messages: list[Values]
    calls: list[Values]
    words: Values


def spell(play: Play, trajectory: Trajectory, now: int, stored: Container[str] = ()) -> Spelled:
    """Turn a trajectory into rows.

    Args:
        play: what it settles.
        trajectory: what was played.
        now: microseconds since the epoch.
        stored: ids of catalogues and prompts that need no row.

    Raises:
        NotJson: a message cannot be stored as canonical JSON of bounded size.
    """
    prompts: dict[str, str] = {}
    blank = blanking()
    said_so = [said(message, blank) for message in trajectory.messages]
    messages, turn = [], -1
    for index, message in enumerate(said_so):
        turn += message.role == "user"
        messages.append({"trajectory": play.id, "place": index, "turn": max(turn, 0), **_message(message, prompts)})
    calls = _calls(play.id, said_so, messages)
    return Spelled(
        trajectory=_trajectory(play, trajectory, turn + 1, len(calls), now) | {"digest": fingerprint(messages)},
        catalogues=[] if trajectory.catalogue.id in stored else [_catalogue(trajectory.catalogue)],
        prompts=[{"id": key, "content": content} for key, content in prompts.items() if key not in stored],
        messages=messages,
        calls=calls,
        words=words_row(
            play.id, [row["content"] for row in messages], [(row["tool"], row["arguments"]) for row in calls]
        ),
    )


def words_row(trajectory: str, said: Iterable[str], calls: Iterable[tuple[str, str]]) -> Values:
    """One row of `trajectory_words`, without its number.

    Args:
        trajectory: its id.
        said: what its messages say.
        calls: tools and arguments of its calls.
    """
    return {"trajectory": trajectory, "words": spelled(chain(said, chain.from_iterable(calls)))}


def _trajectory(play: Play, trajectory: Trajectory, turns: int, calls: int, now: int) -> Values:
    usage = trajectory.usage
    return {
        "id": play.id,
        "round": play.round,
        "purpose": play.purpose,
        "task": play.task.id,
        "split": play.task.split,
        "player": trajectory.player,
        "policy": trajectory.policy,
        "suite": play.suite,
        "sample": trajectory.sample,
        "seed": trajectory.seed,
        "rule": trajectory.rule.name,
        "steps_per_turn": trajectory.rule.steps_per_turn,
        "catalogue": trajectory.catalogue.id,
        "ending": trajectory.end,
        "turns": turns,
        "calls": calls,
        "requests": usage.requests,
        "prompt_tokens": usage.prompt_tokens,
        "cached_tokens": usage.cached_tokens,
        "completion_tokens": usage.completion_tokens,
        "cost": usage.cost,
        "started": trajectory.started,
        "seconds": trajectory.seconds,
        "stored": now,
    }


def _catalogue(catalogue: Catalogue) -> Values:
    offered = bounded(catalogue.model_dump(mode="json"))
    return {"id": catalogue.id, "tools": len(catalogue.tools), "body": offered}


def _message(message: Message, prompts: dict[str, str]) -> Values:
    content = clean(message.content)
    if len(content) > MAX_BYTES:
        raise NotJson(f"a message longer than {MAX_BYTES} characters")
    rest = message.model_dump(mode="json", exclude_defaults=True, exclude={"role", "content"})
    if content != message.content:
        rest["content"] = message.content
    prompt = None
    if message.role == "system":
        prompt = digest(content)
        prompts[prompt], content = content, ""
    if message.calls:
        bounded({"calls": rest["calls"]})
    whole = canonical(rest)
    if len(whole) > MAX_BYTES:
        raise NotJson(f"a message of more than {MAX_BYTES} characters")
    return {"role": message.role, "prompt": prompt, "content": content, "body": whole}


def _calls(trajectory: str, messages: Sequence[Message], rows: Sequence[Values]) -> list[Values]:
    """Pair every call with the tool message that answered it: one follows for each, in order."""
    values: list[Values] = []
    unanswered: list[Values] = []
    for index, message in enumerate(messages):
        if message.role == "tool" and unanswered:
            unanswered.pop(0).update(ok=None if message.ok is None else int(message.ok), result=index)
        for call in message.calls:
            row = {"trajectory": trajectory, "place": len(values), "turn": rows[index]["turn"], "message": index}
            values.append(
                row | {"tool": clean(call.name), "arguments": part(call, "arguments"), "ok": None, "result": None}
            )
            unanswered.append(values[-1])
    return values


def fingerprint(messages: Sequence[Values]) -> str:
    """Name what was said: `trajectory.digest`."""
    return digest([[row["role"], row["prompt"], row["content"], row["body"]] for row in messages])


@reads(MessageRow)
def message_of(row: AnyRow) -> Message:
    """One row of `message` joined with its prompt, as a record."""
    content = row.content if row.prompt is None else row.system
    return Message.model_validate({"role": row.role, "content": content} | json_object(row.body))


@reads(TrajectoryRow)
def trajectory_of(
    row: AnyRow, catalogues: Mapping[str, Catalogue | Damaged], messages: Sequence[Message]
) -> Trajectory:
    """One row of `trajectory` with what belongs to it, as a record."""
    return Trajectory(
        task=row.task,
        player=row.player,
        policy=row.policy,
        sample=row.sample,
        seed=row.seed,
        rule=Rule(name=row.rule, steps_per_turn=row.steps_per_turn),
        catalogue=there(catalogues, row.catalogue, "catalogue"),
        messages=tuple(messages),
        end=row.ending,
        usage=Usage(**{name: getattr(row, name) for name in Usage.model_fields}),
        started=row.started,
        seconds=row.seconds,
    )
