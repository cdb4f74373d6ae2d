"""`loopd logs` and `loopd top`: what a person reads of the daemon, running or not."""

import json
import threading

import pytest
import typer

from loop.cli import logs, top
from loop.control.progress import Board
from loop.errors import NotFound, NotRunning
from loop.store import Store


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LOOPD_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "100")
    for name in ("data/run", "logs", "config"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def line(event, level="info", **facts):
    told = {"event": event, "level": level, "timestamp": "2026-11-28T14:22:14.577717Z", **facts}
    return json.dumps(told) + "\n"


@pytest.fixture
def log(home):
    file = home / "logs" / "loopd.jsonl"
    older = [
        line("stage_entered", round=1, stage="sample"),
        line("train_step", "debug", round=1, stage="train", loss=0.5),
    ]
    file.with_name("loopd.jsonl.1").write_text("".join(older))
    newer = [
        line("trainer_lost", "warning", round=2, stage="train", why="\x1b[2Jgone"),
        line("daemon_crashed", "error", exception="Traceback\n  here"),
        "no JSON at all\x1b[2J\n",
    ]
    file.write_text("".join(newer))
    return file


def printed(capsys, **asked):
    logs.logs(**asked)
    return capsys.readouterr().out


def test_lines_stand_under_their_rounds_and_stages(log, capsys):
    out = printed(capsys)
    assert "── round 1, sample" in out
    assert "── round 2, train" in out
    assert "trainer lost" in out
    assert "why=\\x1b[2Jgone" in out
    assert "Traceback\n  here" in out
    assert "train step" not in out
    assert "no JSON at all\\x1b[2J" in out
    assert "\x1b" not in out


@pytest.mark.parametrize(
    ("asked", "kept", "left"),
    [
        ({"rnd": 1}, "stage entered", "trainer lost"),
        ({"stage": "train"}, "trainer lost", "stage entered"),
        ({"level": "error"}, "daemon crashed", "trainer lost"),
        ({"level": "debug"}, "train step", "nothing"),
        ({"lines": 1}, "no JSON at all", "daemon crashed"),
        ({"lines": 0}, "", "no JSON"),
    ],
)
def test_lines_are_chosen(log, capsys, asked, kept, left):
    out = printed(capsys, **asked)
    assert kept in out
    assert left not in out


def test_lines_are_printed_as_they_are(log, capsys):
    out = printed(capsys, rnd=2, as_json=True)
    assert json.loads(out)["event"] == "trainer_lost"


def test_no_log_and_no_such_level_are_said(home, log):
    with pytest.raises(typer.BadParameter, match="is not one of"):
        logs.logs(level="loud")
    log.unlink()
    with pytest.raises(NotFound, match="loopd start"):
        logs.logs()


def test_new_lines_are_followed_whole_and_through_a_rotation(log):
    found, more, size = [], threading.Event(), log.stat().st_size

    def follow():
        for each in logs._new(log, size):
            found.append(each)
            more.set()
            if each == "last":
                return

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    with log.open("a") as file:
        file.write("fir")
        file.flush()
        assert not more.wait(0.8)
        file.write("st\n")
        file.flush()
        assert more.wait(20)
        file.write("before\n")
    log.rename(log.with_name("loopd.jsonl.2"))
    log.write_text("after\nlast\n")
    thread.join(20)
    assert found == ["first", "before", "after", "last"]


def test_top_shows_a_home_with_nothing_in_it(home, capsys):
    top.top(once=True)
    out = capsys.readouterr().out
    assert "loopd start" in out
    assert "GiB free" in out
    with pytest.raises(NotRunning):
        top.top()


def test_top_shows_what_the_daemon_does_and_what_waits(home, capsys):
    with Store.open(f"sqlite:///{home}/data/loopd.db") as store:
        store.gates.pause("breadth", "a look\x1b[2J")
        store.rounds.enter(store.rounds.open("config", 0))
    top.top(once=True)
    assert "round 1 stopped at 'sample'" in capsys.readouterr().out
    board = Board(home / "data" / "run", "quickstart")
    board.update(round=3, stage="collect")
    board.step("champion plays", total=10, done=4)
    board.close()
    board.update(stage="check")
    top.top(once=True)
    out = capsys.readouterr().out
    assert "round 3" in out
    assert "paused: breadth (a look\\x1b[2J)" in out
    assert "No candidate has been judged yet." in out
    board.close()
