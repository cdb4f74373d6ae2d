"""The documents hold: every block of code runs, every command line has its verb and options, every link its target."""

import importlib
import re
import shlex
import sys
import tomllib
from enum import Enum
from pathlib import Path
from typing import Literal, NamedTuple, get_args, get_origin

import pytest
from markdown_it import MarkdownIt
from typer.main import get_command

import checkers
import loop.gates
import teachers
from loop import config, plugins
from loop.cli import main
from loop.config.examination import examine
from loop.errors import ConfigError
from loop.runtime import paths
from loop.types import Part

ROOT = Path(__file__).parent.parent
FOLDERS = (ROOT / "docs", ROOT / "docs/lab")
OURS = (ROOT / "README.md", ROOT / "ops/RUNBOOK.md")
DOCUMENTS = [*OURS, *sorted(each for folder in FOLDERS for each in folder.glob("*.md"))]
PLACEHOLDER = re.compile(r"…|\.\.\.|\b[A-Z][A-Z_]+\b|[<{]|3f2a")
"""What a reader puts something of his own for."""
READING = (
    ["curriculum", "list"], ["dataset", "list"], ["gate", "list"], ["gate", "power"], ["model", "list"], ["sql"],
    ["status"], ["suite", "list"], ["teacher", "list"], ["trajectory", "list"],
)  # fmt: skip
"""Commands that only read, and need no more than a home with a round."""

WORDS_OF_A_PAGE = 1_500
WORDS_OF = {
    "docs/engine.md": 1_750,
    "docs/gates.md": 2_450,
    "docs/generators.md": 2_000,
    "docs/lab/engine.md": 2_400,
    "docs/lab/quickstart.md": 2_000,
    "docs/sql.md": 3_200,  # one line a column of every view
    "docs/worlds.md": 2_500,
}
"""Pages that need more: they are looked things up in, not read."""
WORDS_OF_ALL = 28_000
"""Of all pages but the lab, which keeps what was measured and grows."""
WIDTH, WIDTH_OF_CODE = 100, 140


class Block(NamedTuple):
    """A block of code, and where it stands."""

    place: str
    heading: str
    language: str
    text: str


def blocks():
    for document in DOCUMENTS:
        heading = ""
        tokens = MarkdownIt().parse(document.read_text())
        for before, token in zip([None, *tokens], tokens, strict=False):
            if token.type == "inline" and before.type == "heading_open":
                heading = token.content
            if token.type in {"fence", "code_block"}:
                place = f"{document.relative_to(ROOT)}:{token.map[0] + 1}"
                yield Block(place, heading, token.info or guessed(token.content), token.content)


def guessed(text):
    first = next(line for line in text.splitlines() if line.strip() and not line.startswith("#"))
    for language, start in {
        "sql": r"(select|with) ",
        "toml": r"\[\[?[\w.]+\]\]?$|\w+ += ",
        "python": r'from |import |class |"""',
        "sh": r"([A-Z_]+=\S+ )*(\.venv/bin/|git |loopd |make |mlx\.launch |python |tail |ls |ps )",
    }.items():
        if re.match(start, first):
            return language
    return "text"


def of(language):
    found = [block for block in BLOCKS if block.language == language]
    return pytest.mark.parametrize("block", found, ids=lambda block: block.place)


def lines():
    """Every command line: of blocks, and of code within sentences."""
    for block in BLOCKS:
        if block.language == "sh":
            for line in block.text.replace("\\\n", " ").splitlines():
                yield from ((block.place, each) for each in commands(line))
    for document in DOCUMENTS:
        for token in MarkdownIt().parse(document.read_text()):
            for child in token.children or ():
                if child.type == "code_inline" and child.content.startswith("loopd "):
                    yield str(document.relative_to(ROOT)), child.content.replace("\n", " ")


def commands(line):
    line = re.split(r"\s+#|\s{3,}|^#|\s>\s", line)[0]
    yield from re.findall(r"\$\(([^)]*)\)", line)
    for part in re.split(r" && | ; ", re.sub(r"\$\([^)]*\)", "WORD", line)):
        words = re.sub(r"^(\s*[A-Z_]+=\S*)+", "", part).strip()
        if words:
            yield words


BLOCKS = list(blocks())
LINES = sorted(set(lines()))
TYPED = [each for each in LINES if re.match(r"(\.venv/bin/)?loopd ", each[1])]


def words_of(line):
    """Words of a command or of a synopsis: brackets are taken off, so that what is optional is looked at too."""
    plain = re.sub(r"\s\|\s", " ", re.sub(r"[\[\]]", " ", line)) if "[" in line else re.sub(r"\s\|\s", " ", line)
    return shlex.split(plain)[1:]


def resolve(words):
    """Follow the words to a command; alternatives (pause|resume) are followed each."""
    command, left = get_command(main.app), list(words)
    while left and hasattr(command, "get_command"):
        found = [command.get_command(None, name) for name in left[0].split("|")]
        if command.name == "release" and found == [None]:  # takes a policy for its first word
            return command.commands["write"], left
        assert all(found), f"no verb {left[0]} of {command.name}"
        command, left = found[0], left[1:]
    return command, left


def option_of(command, word):
    name = word.partition("=")[0]
    for option in command.params:
        if name in {*option.opts, *option.secondary_opts}:
            return option
    raise AssertionError(f"{command.name} has no option {name}")


def chosen_from(kind):
    return (
        list(kind)
        if isinstance(kind, type) and issubclass(kind, Enum)
        else get_args(kind)
        if get_origin(kind) is Literal
        else ()
    )


@pytest.mark.parametrize(("place", "line"), TYPED, ids=lambda each: each[:60])
def test_every_command_line_has_the_verb_and_the_options_that_it_names(place, line):
    command, left = resolve(words_of(line))
    arguments = []
    while left:
        word = left.pop(0)
        if not word.startswith("-") or word in {"-", "…"}:
            arguments.append(word)
        elif word not in {"--help", "-h", "--version", "--config"}:
            kind = option_of(command, word.split("|")[0]).type_descriptor.annotation
            value = "" if kind is bool else word.partition("=")[2] or (left.pop(0) if left else "")
            choices = [str(getattr(each, "value", each)) for each in chosen_from(kind)]
            assert not choices or PLACEHOLDER.search(value) or set(value.split("|")) <= set(choices)
    places = [each for each in getattr(command, "params", ()) if each.param_type_name == "argument"]
    if places and all(each.nargs == 1 for each in places) and not re.search(r"[|\[…]", line):
        assert len(arguments) <= len(places), (place, arguments)
    if not hasattr(command, "params") or not places:
        assert not arguments or re.search(r"[|\[…]", line), (place, arguments)


@pytest.mark.parametrize(("place", "line"), [each for each in LINES if each not in TYPED], ids=lambda each: each[:60])
def test_every_other_command_line_names_a_file_module_or_target_that_is_there(place, line):
    words = re.sub(r"[\[\]]", " ", line).split()
    source = Path(__file__)
    if "make" in words[0]:
        source = ROOT / "Makefile"
        assert re.search(rf"^{words[1]}:", source.read_text(), re.MULTILINE)
        words = [each.partition("=")[0] for each in words if "=" in each]
        assert all(f"$({each})" in source.read_text() for each in words)
        return
    if "python" not in words[0]:
        return
    if words[1] == "-m":
        source = Path(importlib.util.find_spec(words[2]).origin)
    elif words[1].endswith(".py"):
        source = ROOT / words[1]
    for option in re.findall(r"(--[a-z][a-z-]+)", " ".join(words)):
        assert f'"{option}"' in source.read_text(), f"{place}: {source} has no {option}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda each: str(each.relative_to(ROOT)))
def test_every_link_leads_somewhere(document):
    text = document.read_text()
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        if path.startswith(("http://", "https://")):
            continue
        file = (document.parent / path).resolve() if path else document
        assert file.exists(), target
        if anchor:
            assert anchor in slugs(file.read_text()), target


def words(text):
    return sum(bool(re.search(r"\w", word)) for word in text.split())


def test_documents_stay_short():
    lengths = {str(document.relative_to(ROOT)): words(document.read_text()) for document in DOCUMENTS}
    assert {name: n for name, n in lengths.items() if n > WORDS_OF.get(name, WORDS_OF_A_PAGE)} == {}
    assert sum(n for name, n in lengths.items() if not name.startswith("docs/lab/")) <= WORDS_OF_ALL


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda each: str(each.relative_to(ROOT)))
def test_lines_wrap(document):
    """Tables and links cannot be broken."""
    lines, width = document.read_text().splitlines(), [WIDTH] * 100_000
    for token in MarkdownIt("commonmark", {}).enable("table").parse(document.read_text()):
        if token.type in {"fence", "code_block", "table_open"}:
            allowed = 10_000 if token.type == "table_open" else WIDTH_OF_CODE
            width[slice(*token.map)] = [allowed] * (token.map[1] - token.map[0])
    assert [line for line, most in zip(lines, width, strict=False) if len(line) > most and " " in line] == []


def slugs(text):
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@of("toml")
def test_every_setting_is_one(block, tmp_path, monkeypatch):
    tomllib.loads(block.text)
    if re.match(r"# (?!loopd\.)\w+\.toml", block.text):
        return  # some other file
    monkeypatch.setenv("LOOPD_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(teachers, "__path__", [*teachers.__path__, str(shown_parts(tmp_path) / "teachers")])
    (tmp_path / "loopd.toml").write_text(block.text)
    places = paths.find().create()
    refusals = [what_refuses(places, profile) for profile in config.profiles()]
    assert None in refusals or PLACEHOLDER.search(block.text), refusals


def what_refuses(places, profile):
    settings = config.load(places, profile, {}, {})
    try:
        examine(settings)
    except ConfigError as error:
        return str(error)
    return None


def shown_parts(directory):
    """Put the files of extending.md where it says."""
    for block in BLOCKS:
        named = re.search(r"`([\w/]+\.py)`", block.heading)
        if block.language == "python" and named:
            file = directory / named[1]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text)
    return directory


@of("python")
def test_every_module_runs(block, tmp_path, monkeypatch):
    beside(block, tmp_path)
    name = re.sub(r"\W", "_", f"shown_{block.place}")
    (tmp_path / f"{name}.py").write_text(block.text)
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module(name)
    del sys.modules[name]
    for offered in getattr(module, "__all__", ()):
        assert getattr(module, offered)()


def beside(block, directory):
    """Write the data files that the same document shows."""
    for other in BLOCKS:
        named = re.match(r"# (\w+\.toml)", other.text)
        if named and other.place.partition(":")[0] == block.place.partition(":")[0]:
            (directory / named[1]).write_text(other.text)


@pytest.fixture(scope="module")
def lived(tmp_path_factory, rehearse):
    """A home whose round was played, judged and gated with the parts that extending.md shows."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setenv("LOOPD_HOME", str(home))
        patch.setenv("COLUMNS", "120")
        files = shown_parts(home / "shown")
        for package, folder in ((teachers, "teachers"), (checkers, "checkers"), (loop.gates, "loop/gates")):
            patch.setattr(package, "__path__", [*package.__path__, str(files / folder)])
        rehearsal = rehearse(home)
        rehearsal.also(
            "[[teachers]]\nuse = 'parrot'\n[[checkers]]\nuse = 'brief'\n"
            "[[gating.gates]]\nuse = 'tiers'\nsettings = { suite = 'rehearsal-depth' }\n"
        )
        rehearsal.live()
        yield rehearsal


def test_the_parts_that_are_shown_play_judge_and_gate(lived):
    verdicts = lived.json("sql", "select distinct checker, version from v_verdicts")["rows"]
    assert {"checker": "brief", "version": 1} in verdicts
    gates = lived.json("sql", "select gate, verdict from v_gates")["rows"]
    assert {each["gate"] for each in gates} == {"depth", "breadth", "tiers"}
    played = lived.json("sql", "select accepted from v_trajectories where player = 'parrot'")["rows"]
    assert played
    assert not any(each["accepted"] for each in played)
    assert {"brief", "outcome"} <= set(plugins.known("checkers"))
    assert plugins.load("gates", Part(use="loop.gates.tiers:Tiers")).name == "tiers"


@of("sql")
def test_every_query_is_answered(block, lived):
    for query in filter(str.strip, block.text.split(";\n")):
        assert lived.json("sql", query.strip().removesuffix(";"))["schema"] == "loopd/v1"


def reads(line):
    words = words_of(line)
    return (
        not PLACEHOLDER.search(line)
        and not re.search(r"[\[|]", line)
        and (words[:1] in READING or words[:2] in READING)
    )


@pytest.mark.parametrize("line", sorted({line for _, line in TYPED if reads(line)}))
def test_commands_that_only_read_run(line, lived):
    lived.loopd(*words_of(line))
