"""What every HTTP server of ours is bounded by, against clients that are slow, many, or somebody else's."""

import json
import resource
import socket
import threading
import time
from contextlib import ExitStack, contextmanager

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route

from loop.runtime import loopback
from loop.runtime.loopback import ClientLimits, Guard

KEY = {"Authorization": "Bearer secret"}


async def echo(request):
    return JSONResponse({"bytes": len(await request.body())})


async def flood(_request):
    async def parts():
        for _ in range(4000):
            yield b"x" * 65536

    return StreamingResponse(parts())


@contextmanager
def running(limits):
    app = Starlette(routes=[Route("/echo", echo, methods=["GET", "POST"]), Route("/flood", flood)])
    refusal = lambda status, why: PlainTextResponse(why, status_code=status)  # noqa: E731
    listener = socket.create_server((loopback.ADDRESS, 0))
    port = listener.getsockname()[1]
    with loopback.serving(Guard(app, "secret", limits, refusal), listener, limits, name="test"):
        yield port


def connected(port):
    return socket.create_connection((loopback.ADDRESS, port), timeout=10)


def closed(sock):
    """Read to the end; whether it came."""
    try:
        while sock.recv(65536):
            pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True


def ask(port, **more):
    return httpx2.get(f"http://127.0.0.1:{port}/echo", headers=KEY | more.pop("headers", {}), trust_env=False, **more)


def test_half_a_head_is_waited_for_so_long_and_no_longer():
    with running(ClientLimits(head=0.3)) as port, connected(port) as slow, connected(port) as dripping:
        slow.sendall(b"GET /echo HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        began = time.monotonic()

        def drip():
            try:
                for _ in range(40):
                    dripping.sendall(b"X")
                    time.sleep(0.05)
            except OSError:
                pass

        thread = threading.Thread(target=drip)
        thread.start()
        assert closed(slow)
        assert closed(dripping)
        assert time.monotonic() - began < 2
        thread.join()
        assert ask(port).status_code == 200


def test_half_a_head_behind_a_request_is_waited_for_no_longer():
    with running(ClientLimits(head=0.3, idle=30)) as port, connected(port) as sock:
        whole = b"GET /echo HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer secret\r\n\r\n"
        sock.sendall(whole + b"GET /ec")
        assert b"200 OK" in sock.recv(65536)
        assert closed(sock)


def test_an_idle_connection_stays_for_the_next_request():
    with running(ClientLimits(head=0.2, idle=30)) as port, httpx2.Client(headers=KEY) as http:
        assert http.get(f"http://localhost:{port}/echo").status_code == 200
        time.sleep(0.5)
        assert http.get(f"http://localhost:{port}/echo").status_code == 200


def test_too_many_connections_are_told_so_and_the_others_served():
    with running(ClientLimits(connections=4, head=0.5)) as port, ExitStack() as stack:
        held = [stack.enter_context(connected(port)) for _ in range(4)]
        time.sleep(0.1)
        with connected(port) as fifth:
            assert fifth.recv(65536).startswith(b"HTTP/1.1 503")
        assert all(closed(each) for each in held)
        assert ask(port).status_code == 200


def test_four_hundred_half_requests_leave_a_process_with_few_descriptors_at_rest():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(256, min(soft, 1024)), hard))
    try:
        with running(ClientLimits(connections=64, head=1)) as port, ExitStack() as stack:
            for _ in range(400):
                stack.enter_context(connected(port)).sendall(b"GET / HT")
            time.sleep(1.2)
            began, busy = time.monotonic(), time.process_time()
            assert ask(port).status_code == 200
            time.sleep(0.5)
            assert time.process_time() - busy < 0.5 * (time.monotonic() - began)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_body_is_bounded_in_length_and_in_time():
    with running(ClientLimits(bytes=100, body=0.3)) as port:
        url = f"http://127.0.0.1:{port}/echo"
        assert json.loads(httpx2.post(url, content=b"x" * 100, headers=KEY).content) == {"bytes": 100}
        assert httpx2.post(url, content=b"x" * 101, headers=KEY).status_code == 413
        assert httpx2.post(url, content=iter([b"x" * 60] * 2), headers=KEY).status_code == 413
        with connected(port) as sock:
            head = b"POST /echo HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer secret\r\n"
            sock.sendall(head + b"Content-Length: 9\r\n\r\nx")
            assert sock.recv(65536).startswith(b"HTTP/1.1 408")


def test_a_client_that_does_not_read_is_let_go():
    with running(ClientLimits(reading=0.3)) as port, connected(port) as sock:
        sock.sendall(b"GET /flood HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer secret\r\n\r\n")
        time.sleep(1)
        got = 0
        with pytest.raises(ConnectionResetError):
            while part := sock.recv(2**20):
                got += len(part)
            raise ConnectionResetError
        assert got < 4000 * 65536


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Authorization": "bearer secret"}, 200),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Basic secret"}, 401),
        ({"Authorization": ""}, 401),
        ({"Authorization": "", "Cookie": "loopd_key=secret; loopd_session=secret"}, 401),
        ({"Host": "localhost:11435"}, 200),
        ({"Host": "[::1]:80"}, 200),
        ({"Host": "evil.example"}, 400),
        ({"Host": "127.0.0.1.evil.example"}, 400),
        ({"Host": "[broken"}, 400),
        ({"Host": ""}, 400),
        ({"Host": "localhost:1", "Origin": "http://localhost:1"}, 200),
        ({"Host": "localhost:1", "Origin": "http://localhost:2"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_who_is_let_in(headers, status):
    with running(ClientLimits()) as port:
        assert ask(port, headers=headers).status_code == status
