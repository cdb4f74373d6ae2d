"""Rows come out of files of any shape; what cannot be read is told with its place, and the rest is read."""

import gzip
import http.server
import json
import threading

import pytest

from loop.errors import ConfigError, NotFound
from loop.traces import sources
from loop.traces.reading import named, read
from loop.traces.sources import expanded, rows_of
from loop.traces.trace import LocatedTrace, SourceRow, UnreadableRow

ROW = {"messages": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}]}


def values(path):
    return [row.value for row in rows_of(str(path)) if isinstance(row, SourceRow)]


def refusals(path):
    return [(row.place.line, row.reason) for row in rows_of(str(path)) if isinstance(row, UnreadableRow)]


def test_lines_lists_and_documents_give_the_same_rows(tmp_path):
    rows = [{"n": number, "text": "é" * number} for number in range(300)]
    shapes = {
        "lines.jsonl": "\n".join(map(json.dumps, rows)),
        "blank.jsonl": "\n\n".join(map(json.dumps, rows)) + "\n\n",
        "list.json": json.dumps(rows),
        "pretty.json": json.dumps(rows, indent=2),
        "documents.json": "\n".join(json.dumps(row, indent=1) for row in rows),
        "wrapped.json": json.dumps({"data": rows, "next": None}),
        "viewer.json": json.dumps({"rows": [{"row_idx": place, "row": row} for place, row in enumerate(rows)]}),
        "mark.jsonl": "\ufeff" + "\n".join(map(json.dumps, rows)),
    }
    for name, text in shapes.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        assert values(tmp_path / name) == rows, name
    packed = tmp_path / "lines.jsonl.gz"
    packed.write_bytes(gzip.compress(shapes["lines.jsonl"].encode()))
    assert values(packed) == rows


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_a_list_is_read_in_pieces_of_any_size(tmp_path, monkeypatch, size):
    monkeypatch.setattr(sources, "CHUNK", size)
    rows = [{"text": "é€😀 ]}", "n": [1, {"a": -2.5e3}]}, 12, 3.25, "x", True, None, []]
    path = tmp_path / "list.json"
    path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    assert values(path) == rows


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"a": 1', "no JSON"),
        (b'{"a": "\xff\xfe"}', "no JSON"),
        (b'{"a": 1, "a": 2}', "a key is repeated"),
        (b'{"a": ' + b"9" * 5000 + b"}", "no JSON"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b"[" * 5000, "no JSON"),
        (b'{"a":' * 200 + b"1" + b"}" * 200, "nested deeper"),
    ],
)
def test_a_bad_line_is_told_with_its_number_and_the_next_is_read(write, line, reason):
    path = write(ROW, line, ROW)
    assert len(values(path)) == 2
    ((number, why),) = refusals(path)
    assert number == 2
    assert reason in why


def test_a_line_beyond_the_bound_is_passed_over(write, monkeypatch):
    monkeypatch.setattr(sources, "MAX_ROW", 1000)
    path = write(ROW, {"a": "x" * 5000}, ROW)
    assert len(values(path)) == 2
    assert refusals(path) == [(2, "the line is longer than 1000 bytes")]


def test_a_list_that_breaks_off_gives_what_stands_before(tmp_path):
    path = tmp_path / "cut.json"
    path.write_text(json.dumps([{"n": 1}, {"n": 2}, {"n": 3}])[:-10])
    assert values(path) == [{"n": 1}, {"n": 2}]
    assert refusals(path)[0][0] == 3


def test_a_packed_file_that_breaks_off_is_told(tmp_path):
    path = tmp_path / "cut.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(ROW).encode() * 1000)[:60])
    assert "cannot be unpacked" in refusals(path)[0][1] or "no JSON" in refusals(path)[0][1]


def test_a_directory_gives_its_files_in_order_without_links_and_hidden_ones(tmp_path):
    for name in ("b.jsonl", "a.json", "inner/c.jsonl", "x.txt", ".hidden.jsonl", ".git/d.jsonl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "a.json")
    names = [name.removeprefix(f"{tmp_path}/") for name in expanded([str(tmp_path)])]
    assert names == ["a.json", "b.jsonl", "inner/c.jsonl"]


def test_what_is_not_there_is_an_error_that_names_it():
    with pytest.raises(NotFound, match=r"'nowhere\.jsonl'"):
        list(read(["nowhere.jsonl"]))


def test_an_unknown_format_is_told_once_with_the_known_ones(write):
    (refused,) = read([write({"hello": 1}, {"hello": 2})])
    assert refused.reason.startswith("no reader knows this format. Name it with --format; known: atif,")


def test_an_unknown_reader_is_an_error_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"no trace format 'opeani'\. Known: atif,"):
        named("opeani")


@pytest.fixture
def server():
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            body = (json.dumps(ROW) + "\n").encode() if self.path == "/traces.jsonl" else b""
            self.send_response(200 if body else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}"
        serving.shutdown()
        thread.join()


def test_a_url_is_fetched_because_the_user_named_it(server):
    (found,) = read([f"{server}/traces.jsonl"])
    assert isinstance(found, LocatedTrace)
    assert str(found.place) == f"{server}/traces.jsonl:1"


def test_a_url_that_gives_nothing_is_an_error(server):
    with pytest.raises(ConfigError, match="cannot be fetched"):
        list(read([f"{server}/other.jsonl"]))


def test_a_download_is_bounded(server, monkeypatch):
    monkeypatch.setattr(sources, "MAX_DOWNLOAD", 10)
    with pytest.raises(ConfigError, match="longer than 10 bytes"):
        list(read([f"{server}/traces.jsonl"]))
