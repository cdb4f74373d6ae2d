"""An exported policy is asked as it was measured, in the other program's own engine, and what differs is found."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from loop.artifacts import parity, runtime
from loop.artifacts.elsewhere import Elsewhere
from loop.artifacts.runtime import mlx_lm_server
from loop.errors import CannotCreate, FailureKind, NotFound, ProviderError
from loop.rollout.conversation import conversation
from loop.rollout.play import play
from loop.runtime.paths import find
from loop.templates.render import Renderer
from loop.types import Call, Catalogue, End, Message, Part, Play, Trajectory
from loop.weights.export import export
from loop.weights.job import ExportJob
from loop.weights.tiny import tiny
from task_generators.suites import frozen

SYSTEM = "Act."
TASKS = [*frozen.suite("bfcl-miss-func").tasks[:2], *frozen.suite("rehearsal-breadth").tasks[:6]]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def exported(base, tmp_path_factory):
    made = {}

    def make(template, to):
        if (template, to) not in made:
            out = tmp_path_factory.mktemp("out") / to
            made[template, to] = export(
                ExportJob(to=to, base=base, source="o/n", template=template, system=SYSTEM, quant="f16", out=out)
            )
        return made[template, to]

    return make


@pytest.fixture(scope="module")
def plays():
    jobs = (Play(id=t.id, round=0, task=t, player=Part(use="scripted"), player_name="x", system=SYSTEM) for t in TASKS)
    return [play(job) for job in jobs]


@pytest.mark.parametrize("to", ["mlx", "gguf"])
@pytest.mark.parametrize("template", ["compact-1", "spaced-1"])
def test_every_prompt_of_real_plays_is_the_same(base, exported, plays, template, to):
    assert any(message.adds for one in plays for message in one.messages), "a tool that comes later is among them"
    renderer, engine = Renderer.load(base, template), parity.engine(exported(template, to))
    found = [*parity.prompts(renderer, engine, SYSTEM, plays)]
    assert len(found) > len(plays)
    assert set(found) == {None}


def test_a_prompt_that_differs_is_shown_where_it_does(base, exported, plays, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    source = (exported("compact-1", "mlx") / "chat_template.jinja").read_text()
    (out / "chat_template.jinja").write_text(source.replace("Tools:", "Functions:"))
    found = [*parity.prompts(Renderer.load(base, "compact-1"), parity.engine(out), SYSTEM, plays[:1])]
    assert {(each.task, each.step) for each in found} == {(plays[0].task, step) for step in range(len(found))}
    assert "Tools:" in found[0].here
    assert "Functions:" in found[0].there
    assert found[0].here[: found[0].place] == found[0].there[: found[0].place]


def test_a_directory_without_a_template_is_refused(tmp_path):
    with pytest.raises(NotFound, match="loopd model export"):
        parity.engine(tmp_path)


def said(calls=(), content="", failure=None):
    messages = (Message(role="user", content="Go."), Message(role="assistant", content=content, calls=calls))
    return Trajectory(task="t", player="x", messages=messages, end=End.CLOSED)


def test_two_plays_are_compared_by_their_calls_and_passes():
    ls, cd = Call(name="ls"), Call(name="cd", arguments={"folder": "a"})
    found = parity.compare(said((ls,)), said((cd,)), lambda one: one.calls == (ls,))
    assert (found.first_same, found.all_same, found.passed_here, found.passed_there) == (False, False, True, False)
    assert parity.compare(said((ls,)), said((ls,)), lambda _: True).all_same


@pytest.fixture
def places(tmp_path, monkeypatch):
    monkeypatch.setenv("LOOPD_HOME", str(tmp_path / "home"))
    return find().create()


def test_mlx_lms_own_server_answers_for_an_exported_policy(base, exported, places):
    task = TASKS[-1]
    with mlx_lm_server(exported("compact-1", "mlx"), places, 12) as url:
        told = {"url": url, "model": "default_model", "base": str(base), "template": "compact-1", "system": SYSTEM}
        player = Part(use="loop.artifacts.elsewhere:Elsewhere", settings={**told, "max_tokens": 12})
        played = play(Play(id="p", round=0, task=task, player=player, player_name="x", system=SYSTEM))
    assert played.failure is None
    compared = parity.compare(played, played, lambda _: True, Renderer.load(base, "compact-1"))
    assert compared.counted == compared.tokens > 0
    assert played.messages[-1].role == "assistant"
    with conversation(Elsewhere(**told), task, 0) as chat, pytest.raises(ProviderError) as caught:
        chat.reply((Message(role="user", content="hi"),), Catalogue())
    assert caught.value.kind is FailureKind.LOST


def test_a_server_that_does_not_come_up_names_its_log(tmp_path, places, monkeypatch):
    monkeypatch.setattr(runtime, "PATIENCE", 10)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(CannotCreate, match=r"mlx-lm-server\.log"), mlx_lm_server(tmp_path, places, 12):
        pass
    with pytest.raises(NotFound, match="give its URL"), mlx_lm_server(tmp_path / "none", places, 12):
        pass


def loopd(home, *words):
    environment = {**os.environ, "LOOPD_HOME": str(home), "LOOPD_STUDENT__SOURCE": "tiny"}
    environment |= {"LOOPD_STUDENT__TEMPLATE": "compact-1", "LOOPD_STUDENT__MAX_TOKENS": "12"}
    program = [sys.executable, "-m", "loop.cli.main", *words]
    return subprocess.run(program, capture_output=True, text=True, env=environment, check=False)


@pytest.mark.slow
def test_the_verbs_from_one_end_to_the_other(tmp_path):
    home, out = tmp_path / "home", tmp_path / "out"
    started = loopd(home, "suite", "run", "rehearsal-depth", "--player", "stock", "--limit", "1")
    assert started.returncode == 0, started.stderr
    made = loopd(home, "model", "export", str(out))
    assert made.returncode == 0, made.stderr
    done = loopd(home, "model", "parity", str(out), "--suite", "rehearsal-depth", "--limit", "2", "--json")
    assert done.returncode in (0, 1), done.stderr  # a random model spells as it likes
    rows = {row["what"]: row for row in json.loads(done.stdout)["rows"]}
    assert rows["prompts the same, byte for byte"]["of"] >= 2
    assert rows["passed elsewhere"]["of"] == 2
    Path(out / "chat_template.jinja").unlink()
    for name in ("tokenizer_config.json", "config.json"):
        (out / name).unlink()
    assert "no chat template" in loopd(home, "model", "parity", str(out), "--limit", "1").stderr
