"""What a client may take of the endpoint: too much, too slowly, too many, and away in the middle."""

import asyncio
import json
import socket
import time
from urllib.parse import urlsplit

import httpx2
import openai
import psutil
import pytest

from .conftest import opened, servers

ASK = {"model": "loopd", "messages": [{"role": "user", "content": "go"}]}
CROWD = 200


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with opened(tmp_path_factory.mktemp("home"), rows=8) as found:
        yield found


def posted(server, body, **headers):
    return httpx2.post(f"{server.url}/chat/completions", content=body, headers=server.headers | headers, timeout=60)


def stats(server):
    [child] = servers()
    [port] = {each.laddr.port for each in child.net_connections() if each.status == "LISTEN"}
    [token] = server.paths.run.glob("answers-*.token")
    key = {"Authorization": f"Bearer {token.read_text()}"}
    return httpx2.get(f"http://127.0.0.1:{port}/v1/stats", headers=key).json()


def test_200_at_once_are_all_answered_in_order_and_those_who_wait_are_told(server):
    async def ask(http, number):
        body = {**ASK, "max_tokens": 20, "seed": number, "temperature": 1.0, "stream": number % 2 == 0}
        async with http.stream("POST", f"{server.url}/chat/completions", json=body) as answer:
            text = (await answer.aread()).decode()
        assert answer.status_code == 200, text
        return answer.headers.get("loopd-queued"), text

    async def everybody():
        async with httpx2.AsyncClient(
            headers=server.headers, timeout=300, limits=httpx2.Limits(max_connections=CROWD)
        ) as http:
            return await asyncio.gather(*(ask(http, number) for number in range(CROWD)))

    answers = asyncio.run(everybody())
    waited = [queued for queued, _ in answers if queued]
    assert waited
    assert all(queued.startswith(("rows; ahead=", "memory; ahead=")) for queued in waited)
    for number, (_, text) in enumerate(answers):
        assert text.endswith("data: [DONE]\n\n") if number % 2 == 0 else json.loads(text)["choices"]
    assert stats(server)["rows"] == stats(server)["waiting"] == 0


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_goes_away_frees_its_row(server, stream):
    with openai.OpenAI(base_url=server.url, api_key=server.key, max_retries=0) as client:
        client.chat.completions.create(**ASK, max_tokens=1)
    held = {"type": "json_schema", "json_schema": {"name": "long", "schema": {"type": "string", "minLength": 3000}}}
    body = {**ASK, "max_tokens": 4000, "stream": stream, "response_format": held}
    gone = httpx2.ReadTimeout("seen enough")
    with (
        pytest.raises(httpx2.TimeoutException),
        httpx2.stream(
            "POST", f"{server.url}/chat/completions", json=body, headers=server.headers, timeout=0.7
        ) as answer,
    ):
        for _ in answer.iter_raw():
            raise gone
    deadline = time.monotonic() + 20
    while stats(server)["rows"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"", 400, "not JSON"),
        (b"[]", 400, "not a JSON object"),
        (b"{" * 100_000, 400, "not JSON"),
        (b'{"messages": []}', 400, "messages"),
        (b'{"model": "loopd", "messages": [{"role": "user", "content": "\xff"}]}', 400, "not JSON"),
        (b" " * (17 * 2**20), 413, "bytes at most"),
    ],
)
def test_a_body_that_is_no_request_is_refused(server, body, status, says):
    answer = posted(server, body)
    assert answer.status_code == status
    assert says in answer.json()["error"]["message"]


def test_key_and_host_and_origin_are_looked_at_on_every_route(server):
    root = server.url.removesuffix("/v1")
    for path in ("/v1/models", "/v1/models/loopd", "/v1/chat/completions", "/v1/nothing", "/", "/login"):
        assert httpx2.get(root + path).status_code == 401
        assert httpx2.get(root + path, headers=server.headers | {"Host": "loopd.example"}).status_code == 400
        foreign = server.headers | {"Origin": "https://page.example"}
        assert httpx2.get(root + path, headers=foreign).status_code == 403


def test_nobody_listens_but_on_loopback(server):
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    listening = [each.laddr for one in processes for each in one.net_connections() if each.status == "LISTEN"]
    assert {each.ip for each in listening} <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
    assert urlsplit(server.url).port in {each.port for each in listening}


def test_the_key_is_in_no_command_line_log_or_world_readable_file(server):
    for one in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        assert server.key not in " ".join(one.cmdline())
    for path in server.paths.logs.rglob("*"):
        assert server.key.encode() not in path.read_bytes()
    assert (server.paths.data / "serve.key").stat().st_mode & 0o077 == 0


def test_slow_clients_keep_nobody_waiting(server):
    where = urlsplit(server.url)
    slow = [socket.create_connection((where.hostname, where.port)) for _ in range(100)]
    for each in slow:
        each.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n")
    begun = time.monotonic()
    assert httpx2.get(f"{server.url}/models", headers=server.headers).status_code == 200
    assert time.monotonic() - begun < 5
    for each in slow:
        each.close()


def test_a_key_that_others_can_read_is_not_used(tmp_path):
    with opened(tmp_path):
        pass
    (tmp_path / "data" / "serve.key").chmod(0o644)
    with pytest.raises(Exception, match="can be read by others"), opened(tmp_path):
        pass
