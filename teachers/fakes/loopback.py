"""A small HTTP server on loopback that stands for a provider: answers at once, or with the fault that is asked for."""

import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from types import TracebackType
from typing import Any, Self

MOST_BYTES = 16_000_000


@dataclass(frozen=True)
class RecordedRequest:
    """One request as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    """Names in small letters."""
    raw: bytes

    @property
    def body(self) -> dict[str, Any]:
        """The body as JSON."""
        return dict(json.loads(self.raw or b"{}"))


@dataclass(frozen=True)
class FakeFault:
    """What goes wrong: the name of a scenario, how often (None: always), and its details."""

    scenario: str
    times: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


class Loopback(ABC):
    """Base of the fakes: use it in a `with` block, ask for faults with `fail`, read what came in from `seen`."""

    def __init__(self) -> None:
        self.seen: list[RecordedRequest] = []
        self.gone = threading.Event()
        """Set on leaving, so that a fake which keeps silent lets go of its clients."""
        self._fault: FakeFault | None = None
        self._left = 0
        self._lock = threading.Lock()
        self._server = Server(("127.0.0.1", 0), handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def fail(self, scenario: str = "", times: int | None = None, **details: Any) -> None:  # noqa: ANN401 - by scenario
        """Go wrong from the next request on; without a scenario, go right again. Forgets what was seen."""
        with self._lock:
            self._fault = FakeFault(scenario, times, details) if scenario else None
            self._left = times if times is not None else -1
            self.seen.clear()

    def due(self, request: RecordedRequest) -> FakeFault | None:
        """Note a request and take the fault that is due for it."""
        with self._lock:
            self.seen.append(request)
            if self._fault is None or self._left == 0:
                return None
            self._left -= 1
            return self._fault

    @abstractmethod
    def handle(self, request: RecordedRequest, answer: "FakeAnswer") -> None:
        """Answer one request."""

    def __enter__(self) -> Self:
        """Begin to listen."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.gone.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Server(ThreadingHTTPServer):
    """One thread a request; takes many at once."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def server_bind(self) -> None:
        """Bind without asking the network for this machine's name, which takes seconds on some Macs."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", self.server_address[1]

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that went away is part of the play."""


class FakeAnswer(BaseHTTPRequestHandler):
    """What a fake may do with one request."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Say nothing."""

    def json(self, status: int, body: object, headers: Mapping[str, str] | None = None) -> None:
        """Answer with JSON."""
        self.whole(status, json.dumps(body).encode(), {"Content-Type": "application/json", **(headers or {})})

    def whole(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        """Answer with bytes of a known length."""
        self.begin(status, {"Content-Length": str(len(body)), **headers}, close=False)
        self.part(body)

    def begin(self, status: int, headers: Mapping[str, str], *, close: bool = True) -> None:
        """Send the head of an answer whose body follows in parts."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if close:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.flush()

    def part(self, body: bytes) -> None:
        """Send a part of the body now."""
        self.wfile.write(body)
        self.wfile.flush()

    def hang_up(self) -> None:
        """Close the connection without a word."""
        self.close_connection = True
        self.connection.close()


def handler(owner: Loopback) -> type[FakeAnswer]:
    """Bind the requests of a server to its fake."""

    class Bound(FakeAnswer):
        def do_GET(self) -> None:
            self._take()

        def do_POST(self) -> None:
            self._take()

        def _take(self) -> None:
            size = min(int(self.headers.get("Content-Length") or 0), MOST_BYTES)
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = RecordedRequest(self.command, self.path, headers, self.rfile.read(size))
            try:
                owner.handle(request, self)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

    return Bound
