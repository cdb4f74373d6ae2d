"""An import keeps every trace once and whole, goes on where it was killed, and tells what it refused."""

import itertools
import json

import pytest
from typer.testing import CliRunner

from loop.cli.main import app
from loop.errors import AlreadyRunning, ConfigError
from loop.runtime import lock
from loop.store import Store
from loop.traces.importing import BATCH, ImportRules, take
from loop.traces.privacy.pseudonyms import Pseudonyms
from loop.traces.reading import read
from loop.traces.tool_files import tools_in
from loop.traces.trace import UnreadableRow
from loop.types import Split

KEY = Pseudonyms(b"k" * 32)


@pytest.fixture
def store(tmp_path):
    with Store.open(f"sqlite:///{tmp_path / 'loopd.db'}") as opened:
        yield opened


def row(number=0, said="Is it in?", **more):
    calls = [{"id": "1", "function": {"name": "find", "arguments": {"n": number}}}]
    return {
        "messages": [
            {"role": "user", "content": said},
            {"role": "assistant", "tool_calls": calls},
            {"role": "tool", "tool_call_id": "1", "content": f'{{"n": {number}}}'},
            {"role": "assistant", "content": "It is."},
        ],
        **more,
    }


def test_an_import_counts_what_it_did_and_a_second_one_does_nothing(store, write):
    key = "AKIA" + "IOSFODNN7EXAMPLE"
    path = write(row(1), row(2), row(1), {"messages": 3}, b"{", row(3, "mail a@b.com"), row(4, key))
    first = take(store, read([path]), ImportRules(licence="CC0"), KEY)
    assert (first.read, first.stored, first.known, first.refused) == (7, 3, 1, 3)
    assert first.replaced == {"email": 1}
    again = take(store, read([path]), ImportRules(), KEY)
    assert (again.stored, again.known, again.refused) == (0, 4, 3)
    assert {each.provenance.licence for each in store.traces.all()} == {"CC0"}
    assert sorted(each.provenance.line for each in store.traces.all()) == [1, 2, 6]
    assert not any("a@b.com" in each.model_dump_json() for each in store.traces.all())


def test_the_same_conversation_in_another_format_is_the_same_trace(store, files):
    paths = [str(files / name) for name in ("atif.json", "langfuse.jsonl", "openai_messages.jsonl", "sts.jsonl")]
    done = take(store, read(paths), ImportRules(), KEY)
    assert (done.stored, done.known) == (1, 3)


def test_a_killed_import_goes_on_and_nothing_is_half_stored(store, write):
    rows = [row(number) for number in range(BATCH + 50)]
    path = write(*rows)

    def killed():
        yield from itertools.islice(read([path]), BATCH + 20)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take(store, killed(), ImportRules(), KEY)
    assert store.traces.counts() == {"direct": BATCH}
    done = take(store, read([path]), ImportRules(), KEY)
    assert (done.stored, done.known) == (50, BATCH)
    assert all(len(each.trajectory.messages) == 4 for each in store.traces.all())


def test_one_users_conversations_share_a_split(store, write):
    path = write(*(row(number, user_id=f"u{number % 40}") for number in range(200)))
    take(store, read([path]), ImportRules(heldout=0.3), KEY)
    splits = {}
    for each in store.traces.all():
        splits.setdefault(each.provenance.speaker, set()).add(each.task.split)
    assert len(splits) == 40
    assert all(len(found) == 1 for found in splits.values())
    assert 4 <= sum(found == {Split.HELDOUT} for found in splits.values()) <= 20


def test_a_later_import_with_another_share_leaves_users_where_they_are(store, write):
    take(store, read([write(*(row(n, user_id=f"u{n}") for n in range(20)))]), ImportRules(heldout=0), KEY)
    later = write(*(row(n + 100, user_id=f"u{n}") for n in range(20)), name="later.jsonl")
    take(store, read([later]), ImportRules(heldout=0.9), KEY)
    assert {each.task.split for each in store.traces.all()} == {Split.TRAIN}


def test_every_row_that_was_read_is_told(store, write):
    told = []
    take(store, read([write(row(1), b"{", row(2))]), ImportRules(), KEY, lambda found, _: told.append(found))
    assert [isinstance(each, UnreadableRow) for each in told].count(True) == 1
    assert len(told) == 3


def test_traces_that_show_no_tools_get_those_that_are_named(store, write, tmp_path):
    path = tmp_path / "tools.json"
    path.write_text(json.dumps({"tools": [{"name": "find", "parameters": {"type": "object", "properties": {}}}]}))
    own = row(2, tools=[{"function": {"name": "find", "description": "own", "parameters": {"type": "object"}}}])
    take(store, read([write(row(1), own)]), ImportRules(tools=tools_in(path)), KEY)
    assert sorted(each.trajectory.catalogue.tools[0].description for each in store.traces.all()) == ["", "own"]


def test_the_schemas_of_dialogue_services_are_tools(tmp_path):
    slots = [
        {"name": "city", "description": "Where", "is_categorical": False, "possible_values": []},
        {"name": "price", "description": "How dear", "is_categorical": True, "possible_values": ["low", "high"]},
    ]
    intent = {
        "name": "Find",
        "description": "Find one",
        "required_slots": ["city"],
        "optional_slots": {"price": "dontcare"},
    }
    path = tmp_path / "schema.json"
    path.write_text(json.dumps([{"service_name": "S", "slots": slots, "intents": [intent]}]))
    (tool,) = tools_in(path).tools
    assert tool.parameters == {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Where"},
            "price": {"type": "string", "description": "How dear", "enum": ["low", "high"]},
        },
        "required": ["city"],
    }


@pytest.mark.parametrize("text", ["{", "3", '[{"name": 3}]', '{"tools": {}}'])
def test_a_file_without_tools_is_an_error_that_names_it(tmp_path, text):
    path = tmp_path / "tools.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"tools\.json holds no tools"):
        tools_in(path)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LOOPD_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def run(*words):
    return CliRunner().invoke(app, ["trace", *map(str, words)])


def test_the_command_makes_a_home_keeps_traces_and_lists_them(home, write, tmp_path):
    refused = tmp_path / "refused.jsonl"
    path = write(row(1), row(2, "I am at a@b.com"), b"{")
    done = run("import", path, "--licence", "CC0", "--refused", refused)
    assert done.exit_code == 0, done.output
    assert "3 rows read: 2 traces stored, 0 known before, 1 refused" in done.output
    assert "personal data was replaced: email in 1" in done.output
    assert json.loads(refused.read_text())["line"] == 3
    (listed,) = json.loads(run("list", "--json").output)["rows"]
    assert (listed["source"], listed["traces"], listed["licence"]) == (path, 2, "CC0")
    assert run("import", path).exit_code == 0


def test_nothing_is_written_beside_a_daemon(home, write):
    path = write(row(1))
    run("import", path)
    with lock.hold(next(each.parent for each in home.rglob("loopd.lock"))):
        done = run("import", path)
    assert isinstance(done.exception, AlreadyRunning)


def test_wrong_options_are_told_with_the_right_ones(home, write):
    for words, said in ((("--region", "XX"), "no region 'XX'"), (("--format", "opeani"), "no trace format 'opeani'")):
        done = run("import", write(row(1)), *words)
        assert isinstance(done.exception, ConfigError)
        assert said in str(done.exception)
