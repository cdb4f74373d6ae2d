"""Nothing that was read elsewhere steers the terminal: tables, transcripts, pictures, errors."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.table import Table
from rich.text import Text

from loop.cli import live, main, tables, terminal, transcript
from loop.control.progress import Progress
from loop.errors import LoopdError
from loop.types import Call, Message, Verdict

LOOPD = str(Path(sys.executable).parent / "loopd")
HOSTILE = "\x1b]0;owned\x07\x9b2J\u202e[bold]x[/][link=http://evil]y :smile:\r"
"""Sets the title, clears the screen, turns the writing round, and tries markup."""
STEERS = "\x1b]", "\x07", "\x9b", "\u202e", "\r", "\x1b[2J"


def printed(*things, colour=True):
    out = io.StringIO()
    console = terminal.Terminal(file=out, force_terminal=colour, width=200)
    for thing in things:
        console.print(thing)
    return out.getvalue()


def harmless(text):
    return "owned" in text and not any(sign in text for sign in STEERS)


def test_a_table_shows_what_stands_in_it():
    table = Table(title=Text(HOSTILE))
    table.add_column(HOSTILE)
    table.add_row(HOSTILE)
    table.add_row(Text(HOSTILE, style="red"))
    text = printed(table)
    assert harmless(text)
    assert "[bold]x[/]" in text
    assert ":smile:" in text
    assert "\x1b[31m" in text, "the program's own colours stay"


def test_a_transcript_shows_what_stands_in_it():
    said = Message(role="assistant", content=HOSTILE, calls=(Call(name=HOSTILE, arguments={HOSTILE: HOSTILE}),))
    heard = Message(role="tool", name=HOSTILE, content=HOSTILE, ok=False)
    fault = said.model_copy(update={"fault": HOSTILE, "leniencies": (HOSTILE,)})
    verdict = Verdict(checker="outcome", version=1, passed=False, score=0.0, reason=HOSTILE)
    for thing in (transcript.message(said), transcript.message(heard), transcript.message(fault)):
        assert harmless(printed(thing))
    assert harmless(printed(transcript._verdict(verdict)))


def test_the_picture_shows_what_stands_in_it():
    tallies = {HOSTILE: {"plays": 1, "wins": 1}}
    now = Progress(pid=1, profile=HOSTILE, doing=HOSTILE, decision=HOSTILE, student=HOSTILE, tallies=tallies)
    assert harmless(printed(live.picture(now)))
    assert harmless(printed(live.line(now)))


def test_what_is_said_in_lines_keeps_its_lines(capsys):
    terminal.say(f"one\n{HOSTILE}")
    text = capsys.readouterr().out
    assert text.startswith("one\n")
    assert harmless(text)


def test_an_error_shows_what_stands_in_it(capsys, monkeypatch):
    def fail(*_words, **_more):
        raise LoopdError(HOSTILE)

    monkeypatch.setattr(main, "app", fail)
    monkeypatch.setattr(main, "_silence", lambda _stream: None)
    with pytest.raises(SystemExit):
        main.main()
    assert harmless(capsys.readouterr().err)


@pytest.fixture
def loopd(tmp_path):
    """The command itself, with a store that is empty but for what the schema brings."""
    from loop.store import Store  # noqa: PLC0415 - the database is made here

    home = tmp_path / "home"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LOOPD_")}
    environment |= {"LOOPD_HOME": str(home), "COLUMNS": "120", "FORCE_COLOR": "1"}
    (home / "data").mkdir(parents=True)
    Store.open(f"sqlite:///{home}/data/loopd.db").close()

    def run(*words):
        return subprocess.run(
            [LOOPD, *words], capture_output=True, text=True, timeout=120, check=False, env=environment, cwd=tmp_path
        )

    return run


def test_a_query_shows_what_stands_in_its_answer(loopd):
    spelled = "||".join(f"char({ord(each)})" for each in HOSTILE)
    done = loopd("sql", f"select {spelled} as a, {spelled} as b")
    assert done.returncode == 0, done.stderr
    assert harmless(done.stdout)


def test_a_refused_query_shows_what_stands_in_it(loopd):
    done = loopd("sql", f'select "{HOSTILE}" from nothing')
    assert done.returncode == 3
    assert not any(sign in done.stderr for sign in STEERS)


def test_without_a_query_the_views_are_listed(loopd):
    done = loopd("sql")
    assert done.returncode == 0, done.stderr
    for view in ("v_rounds", "v_gates", "v_spend"):
        assert view in done.stdout


WIDE = [{f"column {number}": f"{number}" * length for number, length in enumerate([64, 3, 90, 8, 200, 1])}] * 3


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 400])
def test_a_table_fits_its_terminal_and_says_what_it_left_out(width):
    fitted = tables.fit(WIDE, width)
    out = io.StringIO()
    terminal.Terminal(file=out, width=width).print(fitted.table)
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert sum("0000000" in line for line in lines) == len(WIDE), "a row is one line"
    shown = [name for name in WIDE[0] if name not in fitted.left_out]
    assert shown == list(WIDE[0])[: len(shown)]
    assert (fitted.left_out == ()) == (width >= 100)


def test_a_digest_is_shown_by_its_beginning_and_whole_in_a_file():
    rows = [{"id": "ab" * 32}]
    assert "ab" * 6 in printed(tables.fit(rows, 80).table)
    assert "ab" * 7 not in printed(tables.fit(rows, 80).table)
    assert "ab" * 32 in printed(tables.fit(rows, None).table)


def test_lists_are_told_as_values_too(loopd):
    done = loopd("sql", "select 1 as a, 'x, \"y\"' as b", "--csv")
    assert done.returncode == 0, done.stderr
    assert done.stdout == 'a,b\n1,"x, ""y"""\n'
    assert loopd("model", "list", "--csv").returncode == 0
