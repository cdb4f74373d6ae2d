"""`loopd model`: the policies; compare, propose, promote, roll back; check them, take them elsewhere, talk to them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import JsonValue

from loop import config, plugins
from loop.artifacts import cards, policy_files
from loop.cli import elsewhere, parity, policies, terminal, transcript
from loop.cli.access import Csv, Json, Reason, settings, show, show_json, show_query
from loop.cli.chat import talk
from loop.cli.records import change, store
from loop.cli.terminal import Terminal
from loop.gates.comparison import MarginTest, described
from loop.gates.judging import OVERALL
from loop.gates.pairing import Paired, by_backend, by_novelty, pair
from loop.proposals import PROMPTS, read_system
from loop.rollout.conversation import conversation
from loop.runtime import gpu, lock, paths
from loop.store import Store
from loop.store.suites import ScoreConditions
from loop.types import Part, Player, Policy, Precision, Split, Task
from loop.weights import adapters
from task_generators.backends.catalogues import catalogue
from task_generators.backends.worlds import open_world

app = typer.Typer(
    help="Policies: list, show, diff, card, propose, promote, rollback, verify, export, parity, chat.",
    no_args_is_help=True,
)
Begins = Annotated[str, typer.Argument(help="champion, or a prefix of a policy id.")]
System = Annotated[Path | None, typer.Option(help="File with a complete new system prompt.")]
Prompt = Annotated[str | None, typer.Option(help=f"Text to append to its prompt: {', '.join(PROMPTS)}.")]
Rounded = Annotated[Precision | None, typer.Option(help="Precision of the served weights.")]


@app.command("list")
def list_(*, as_json: Json = False, as_csv: Csv = False) -> None:
    """List every policy and its standing."""
    show_query("select * from v_policies", as_json=as_json, as_csv=as_csv)


@app.command("show")
def show_(policy: Begins = "champion", *, as_json: Json = False) -> None:
    """Show a policy: its parts, its standing, and where its adapter is stored."""
    with store() as opened:
        chosen = opened.policies.find(policy)
        standing = next(standing for item, standing in opened.policies.all() if item.id == chosen.id)
    row = {"id": chosen.id, "standing": standing, **chosen.model_dump(mode="json"), "parent": chosen.parent}
    row["directory"] = paths.find().adapter(chosen)
    show([{"what": name, "value": value} for name, value in row.items()], as_json=as_json)


@app.command()
def verify(policy: Begins = "champion") -> None:
    """Verify every byte of an adapter, or of all of a routed set's, against its manifest, without loading it."""
    with store() as opened:
        members = [opened.policies.get(member) for member in opened.policies.find(policy).members]
    home = [(paths.find().adapter(member), member.base) for member in members]
    if not any(adapter for adapter, _ in home):
        terminal.say("The stock model has no adapter.")
    for adapter, base in home:
        if adapter is not None:
            manifest = adapters.verify(adapter, base)
            terminal.say(f"{adapter}: {len(manifest.files)} files as published, made for base {base[:16]}")


app.command()(elsewhere.export)
app.command()(parity.parity)


@app.command()
def chat(
    policy: Begins = "champion", *, backend: Annotated[str, typer.Option(help="Backend whose tools it gets.")] = "files"
) -> None:
    """Chat with a policy that has working tools. Ctrl-D ends. The daemon must not be running."""
    chosen = policies.single(policy)
    home, configured = paths.find().create(), settings()
    base, adapter = policies.base_of(chosen), home.adapter(chosen)
    task = _task(configured, backend)
    console, student = Terminal(), configured.student
    with lock.hold(home.data):
        lease = gpu.Gpu(home.run, home.logs, home.scratch)
        kept = gpu.KeptPrefixes(directory=home.prefixes, mib=student.prefix_mib, policy=chosen.id)
        with lease.serving(
            base, template=chosen.template, adapter=adapter, precision=chosen.precision, prefixes=kept
        ) as served:
            part = gpu.addressed(configured.student.part(0.0), served, chosen.id)
            player: Player = plugins.load("teachers", part)
            world, offered = open_world(task.backends, task.initial), catalogue(task.tools, task.backends, task.initial)
            console.print(f"Served in {served.ready.words}")
            console.print(f"Tools: {', '.join(tool.name for tool in offered.tools)}")
            with conversation(player, task, 0) as chat:
                talk(
                    chat,
                    world,
                    offered,
                    _lines(console),
                    lambda message: console.print(transcript.message(message)),
                    system=chosen.system,
                    rule=configured.rule,
                )


@app.command()
def rollback(policy: Begins, *, reason: Reason = "") -> None:
    """Reinstate an earlier champion at once."""
    answer = change("model.rollback", policy=policy, reason=reason)
    terminal.say(f"The champion is {answer['champion']}.")


@app.command()
def promote(policy: Begins, *, reason: Reason = "") -> None:
    """Promote a policy that holds at every gate but showed no gain."""
    gates: list[JsonValue] = [plugins.load("loop.gates", part).name for part in settings().gating.gates]
    answer = change("model.promote", policy=policy, reason=reason, gates=gates)
    terminal.say(f"The champion is {answer['champion']}. Go back: loopd model rollback ID")
    _write_card(str(answer["champion"]))


@app.command()
def propose(
    policy: Begins = "champion", *, system: System = None, prompt: Prompt = None, precision: Rounded = None
) -> None:
    """Queue a candidate that needs no training: another prompt or precision, or the same policy again."""
    changes: dict[str, JsonValue] = {
        "system": None if system is None else read_system(system),
        "prompt": prompt,
        "precision": precision,
    }
    configured = settings()
    where: dict[str, JsonValue] = {"config": configured.digest, "seed": configured.seed}
    answer = change("model.propose", policy=policy, changes=changes, **where)
    when = "It is judged when the present round has ended, or by the next loopd start."
    terminal.say(f"Round {answer['round']} judges {answer['candidate']}. {when}")


@app.command()
def diff(one: Begins, other: Begins = "champion", *, as_json: Json = False) -> None:
    """Compare two policies: what differs, and their scores on every suite both were measured on."""
    with store() as opened:
        first, second = opened.policies.find(one), opened.policies.find(other)
        fields = [
            {"what": name, first.id[:12]: mine, second.id[:12]: theirs}
            for name, mine in first.model_dump(mode="json").items()
            if mine != (theirs := second.model_dump(mode="json")[name])
        ]
        rows = [row for met in opened.suites.measured(first.id) for row in _compared(opened, first, second, met)]
    if as_json:
        show_json({"one": first.id, "other": second.id, "fields": fields, "rows": rows})
        return
    show(fields, as_json=False)
    show(rows, as_json=False)


@app.command()
def card(policy: Begins = "champion") -> None:
    """Rewrite a policy's cards (model, gates, data, training configuration) and print the model card."""
    chosen = policies.find(policy)
    terminal.say((_write_card(chosen.id) / cards.README).read_text(encoding="utf-8"))


def _write_card(policy_id: str) -> Path:
    directory = policy_files.write(policies.report_of(policy_id), paths.find().policies)
    terminal.say(f"{directory}", err=True)
    return directory


def _compared(opened: Store, first: Policy, second: Policy, met: ScoreConditions) -> list[dict[str, Any]]:
    """Pair two policies' scores under one fingerprint: candidate `first`, champion `second`."""
    unsound = opened.soundness.unsound(met.suite_id)
    new, old = (
        [
            score
            for score in opened.suites.scores(dataset.id, met.suite_id, met.fingerprint)
            if score.task not in unsound
        ]
        for dataset in (first, second)
    )
    paired = pair(old, new)
    if not paired.entries:
        return []
    groups = {OVERALL: paired.played, **by_novelty(paired.entries), **by_backend(paired.entries)}
    questions = [MarginTest(name, rows, 0.0, decides=False) for name, rows in groups.items()]
    return [_difference(met.suite, paired, question, (first, second)) for question in questions]


def _difference(suite: str, paired: Paired, question: MarginTest, policies: tuple[Policy, Policy]) -> dict[str, Any]:
    comparison = described(question, paired)
    mine, theirs = (policy.id[:12] for policy in policies)
    return {
        "suite": suite,
        "what": question.name,
        "tasks": comparison["tasks"],
        "k": comparison["samples"],
        mine: round(comparison["candidate_rate"], 4),
        theirs: round(comparison["champion_rate"], 4),
        **{name: round(comparison[name], 4) for name in ("difference", "low", "high")},
    }


def _task(configured: config.Config, generator: str) -> Task:
    named = next((part for part in configured.sampling.generators if part.use == generator), Part(use=generator))
    maker = plugins.load("task_generators", named)
    made: Task = maker.make(maker.arms[0], 1, Split.TRAIN)
    return made


def _lines(console: Terminal) -> Iterator[str]:
    while True:
        try:
            yield console.input("[bold cyan]you[/] ")
        except EOFError:
            return
