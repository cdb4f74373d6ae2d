"""What a person sees: everything that happens, on a terminal and in a log."""

import io
import os
import time

import pytest
from rich.console import Console

from loop.cli import live
from loop.control import progress as boards
from loop.errors import NotRunning
from loop.types import GateResult, GateVerdict


@pytest.fixture
def board(tmp_path):
    shown = boards.Board(tmp_path, "quickstart")
    shown.update(round=2, stage="collect", champion="abcdef0123456789")
    shown.step("champion plays", total=10, done=4)
    shown.won("champion TradingBot", won=True)
    shown.won("champion TradingBot", won=False)
    shown.won("scripted TravelAPI", won=True)
    return shown


def result(**changes):
    fields = {
        "gate": "breadth", "verdict": GateVerdict.HOLDS, "reason": "why", "champion_rate": 0.05, "candidate_rate": 0.9,
        "difference": 0.85, "low": 0.7, "high": 0.95, "margin": 0.03, "tasks": 60, "samples": 1,
    }  # fmt: skip
    return GateResult(**{**fields, **changes})


def printed(renderable, width=100):
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(renderable)
    return console.file.getvalue()


def test_the_picture_shows_round_stage_step_rates_and_losses(board):
    board.advance()
    board.update(losses=(2.0, 1.0, 0.25), loss=0.25, student="float32 on cpu, engine mlx-lm")
    text = printed(live.picture(board.now))
    for word in ("quickstart", "round 2", "abcdef01", "collect", "champion plays", "5/10 plays", "TradingBot", "50%",
                 "scripted TravelAPI", "100%", "0.2500", "engine mlx-lm", "Ctrl-C"):  # fmt: skip
        assert word in text


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_picture_fits_any_terminal(board, width):
    assert max(map(len, printed(live.picture(board.now), width).splitlines())) <= width


def test_the_rate_counts_only_what_this_step_did(board):
    board.advance()
    board.update(step_began=time.time() - 30)
    assert board.now.rate == pytest.approx(2, rel=0.05)
    assert board.now.seconds_left == pytest.approx(150, rel=0.05)


def test_a_rate_is_shown_only_once_it_means_something(board):
    board.advance()
    assert "/min" not in live.line(board.now)
    board.update(step_began=time.time() - 30)
    assert "2/min, 2:30 left" in live.line(board.now)


def test_before_the_first_round_no_round_is_named(board):
    board.update(round=0, stage="start", doing="", total=0)
    assert live.line(board.now).endswith(" start")
    assert "round" not in live.line(board.now)


def test_the_summary_has_every_figure_and_the_decision():
    gates = [result(), result(gate="depth", verdict=GateVerdict.INCONCLUSIVE, low=-0.116, samples=32)]
    text = printed(live.summary(gates, "rejected: depth is open"), width=80)
    for word in ("breadth", "5.0", "90.0", "+85.0", "+70 to +95", "60 x 1", "holds", "inconclusive", "rejected"):
        assert word in text


def test_plain_lines_where_there_is_no_terminal(board):
    console = Console(file=io.StringIO(), width=80)
    with live.watching(board, console):
        time.sleep(0.8)
    said = console.file.getvalue()
    assert "round 2 collect | champion plays | 4/10 plays" in said
    assert "\x1b" not in said


def test_status_is_read_from_the_daemons_file_and_only_while_it_lives(board, tmp_path):
    assert boards.read(tmp_path).round == 2
    board.update(pid=2**22 + os.getpid(), stage="train")
    with pytest.raises(NotRunning):
        boards.read(tmp_path)
    board.close()
    with pytest.raises(NotRunning):
        boards.read(tmp_path)


def test_a_torn_status_file_is_no_traceback(tmp_path):
    (tmp_path / boards.FILE).write_text('{"pid": 1,')
    with pytest.raises(NotRunning):
        boards.read(tmp_path)
