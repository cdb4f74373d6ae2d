"""The children that use the GPU: one for the loop, which serves the student or trains, and those that answer people.

MLX never runs in the daemon. An error of Metal is a C++ exception that ends the whole process, and two processes that
compute on one GPU have brought whole Macs down; so there is one lease for the loop's work, what holds it is a child,
and of all children one computes at a time (`loop.runtime.gpu_turn`).
"""

import os
import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from types import MappingProxyType, TracebackType
from typing import Final, Self, TypeVar

import structlog
from pydantic import ConfigDict, TypeAdapter, ValidationError

from loop.errors import FailureKind, ProviderError
from loop.runtime.child import Child
from loop.runtime.gpu_turn import KEEP, Kind, turn_environment
from loop.types import Part, Precision, Record
from loop.types.jobs import Job, Meter, MeterLine, TrainerLine
from loop.types.record import first_fault

log = structlog.get_logger()
PLAIN: Final = "mlx-lm"
"""What a server calls its engine where it falls back to mlx-lm's own batching."""
SERVER: Final = "loop.student.server"
TRAINER: Final = "loop.training.trainer"
METER: Final = "loop.training.divergence"
TRAINER_LINE: Final[TypeAdapter[TrainerLine]] = TypeAdapter(TrainerLine)
METER_LINE: Final[TypeAdapter[MeterLine]] = TypeAdapter(MeterLine)
Line = TypeVar("Line", TrainerLine, MeterLine)
READY: Final = 600.0
"""Seconds a server has to load its model."""
SILENCE: Final = 1800.0
"""Seconds a trainer may take from one progress line to the next."""
LIBRARIES: Final = ("libopenblasp.so.0", "libopenblas.so.0")
"""Where a distribution has both, the first is the one that uses all cores."""
PLACES: Final = (
    *("lib/*-linux-gnu", "usr/lib/*-linux-gnu", "usr/lib/*-linux-gnu/openblas-pthread"),
    *("usr/lib64", "lib64", "usr/lib", "usr/local/lib"),
)
WAIT: Final = {"OPENBLAS_THREAD_TIMEOUT": "20"}
"""2^20 ticks, a third of a millisecond, for which a thread of OpenBLAS that has no work holds its core; 2^28 else, in
which everything else that wants a core finds it taken."""


class KeptPrefixes(Record):
    """Where a server may keep the prefixes that it computed, for the next server of the same policy."""

    directory: Path
    mib: int
    """MiB that they may take, of all policies together."""
    policy: str
    """`Policy.id`."""

    @property
    def options(self) -> dict[str, str]:
        """The server's options; none where nothing may be kept."""
        words = {"--prefixes": str(self.directory), "--prefix-mib": str(self.mib), "--policy": self.policy}
        return words if self.mib else {}


class Ready(Record):
    """What a server says when it is ready."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    port: int
    device: str = ""
    dtype: str = ""
    engine: str = ""

    @property
    def shares(self) -> bool:
        """Whether prefixes are shared: not so for a model family that the engine does not know."""
        return self.engine != PLAIN

    @property
    def words(self) -> str:
        """Say how the student is served, for people."""
        note = "" if self.shares else ": this model family is not known, so prefixes are not shared and plays are slow"
        return f"{self.dtype} on {self.device}, engine {self.engine}{note}"


class Served:
    """A student that answers on loopback. `url` is the endpoint's root; `token_file` holds its bearer token."""

    def __init__(self, child: Child, ready: Ready, token_file: Path) -> None:
        self._child, self.ready = child, ready
        self.url, self.token_file = f"http://127.0.0.1:{ready.port}", token_file

    @property
    def token(self) -> str:
        """The bearer token.

        Raises:
            ProviderError: it is gone, and with it the server (LOST).
        """
        try:
            return self.token_file.read_text(encoding="ascii").strip()
        except OSError as error:
            raise ProviderError(FailureKind.LOST, f"{self.token_file}: {error.strerror}") from error

    @property
    def alive(self) -> bool:
        """Whether the server still runs."""
        return self._child.alive

    def check(self) -> None:
        """Make sure that the server lives.

        Raises:
            ProviderError: it went away (LOST); the message ends with the last it said.
        """
        if not self.alive:
            raise self._child.lost()


def addressed(player: Part, served: Served, policy: str) -> Part:
    """Tell a student where its model is served, and which policy that is."""
    where = {"url": served.url, "token_file": str(served.token_file), "policy": policy}
    return player.model_copy(update={"settings": {**player.settings, **where}})


class Gpu:
    """One lease of the GPU.

    Args:
        run: Directory for pids and tokens.
        logs: Directory for the child's stderr.
        scratch: Directory for job files.
        environment: What the child gets beside the scrubbed environment, such as `HF_HOME`.
        python: Interpreter and options that run the child's modules.
        kind: Whether the child works for the loop, or answers people and comes first.
        keep: Seconds for which a child keeps its memory while it halts outside the loop's windows.
    """

    def __init__(  # noqa: PLR0913 - three places, and what a test or a kind of child changes
        self,
        run: Path,
        logs: Path,
        scratch: Path,
        *,
        environment: Mapping[str, str] | None = None,
        python: tuple[str, ...] = (sys.executable,),
        kind: Kind = "loop",
        keep: float = KEEP,
    ) -> None:
        self._run, self._logs, self._scratch, self._python = run, logs, scratch, python
        self._environment = {**preload(), **turn_environment(run, kind, keep), **(environment or {})}
        self._server, self._mark = ("student", "") if kind == "loop" else ("answers", f"-{secrets.token_hex(4)}")
        self._lease = Lock()
        self._held: Child | None = None

    def __enter__(self) -> Self:
        """Nothing to start: the child lives as long as what it is needed for."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the child, if somebody left one running."""
        if self._held is not None:
            self._held.terminate()

    @property
    def leased(self) -> bool:
        """Whether a child of this lease runs."""
        return self._lease.locked()

    @contextmanager
    def serving(  # noqa: PLR0913 - what a server is told
        self,
        base: str | Path,
        *,
        template: str,
        adapter: str | Path | None = None,
        beside: Mapping[str, Path] = MappingProxyType({}),
        precision: Precision = Precision.BASE,
        max_rows: int | None = None,
        prefixes: KeptPrefixes | None = None,
    ) -> Iterator[Served]:
        """Serve a student for as long as the block lasts. Where it dies, `Served.alive` tells; serve it again.

        Args:
            base: Directory of the base model.
            template: Name of the template that renders messages to tokens.
            adapter: Directory of the published adapter; None serves the stock model.
            beside: Directories of published adapters beside the model, by the names that requests choose them by.
            precision: What the merged weights are rounded to.
            max_rows: Conversations decoded at once; None leaves it to the server.
            prefixes: Where prefixes are kept from one server to the next; None keeps none.

        Raises:
            ProviderError: the server did not come up (LOST).
            RuntimeError: the GPU is leased already: a bug of the caller.
        """
        rounded = None if precision is Precision.BASE else precision
        options = {"--base": base, "--adapter": adapter, "--template": template}
        settings = {**options, "--max-rows": max_rows, "--precision": rounded, **(prefixes.options if prefixes else {})}
        adapters = [word for name, directory in beside.items() for word in ("--beside", f"{name}={directory}")]
        chosen = [str(word) for pair in settings.items() if pair[1] is not None for word in pair]
        token_file = self._run / f"{self._server}{self._mark}.token"
        with self._leased(), _private(token_file, secrets.token_urlsafe(32)):
            arguments = (SERVER, *chosen, *adapters, "--token-file", str(token_file), "--port", "0")
            with self._child(self._server, arguments) as child:
                served = Served(child, _ready(child), token_file)
                if not served.ready.shares:
                    log.warning("prefixes_not_shared", student=served.ready.words)
                child.drain()
                yield served

    def training(self, job: Job) -> Iterator[TrainerLine]:
        """Run one training job; yield its lines, the last of which is `Fitted`, or `Halted`. Closing it ends the job.

        Raises:
            OutOfMemory: the trainer was ended for want of memory.
            ProviderError: it went away or fell silent before it was done (LOST).
            RuntimeError: the GPU is leased already: a bug of the caller.
        """
        yield from self._working("trainer", TRAINER, job, TRAINER_LINE)

    def measuring(self, job: Meter) -> Iterator[MeterLine]:
        """Measure plays' distance to the base model; yield each, then `Measured` or `Halted`. Closing it ends the job.

        Raises:
            ProviderError: the child went away or fell silent before it was done (LOST).
            RuntimeError: the GPU is leased already: a bug of the caller.
        """
        yield from self._working("meter", METER, job, METER_LINE)

    def _working(self, name: str, module: str, job: Record, lines: TypeAdapter[Line]) -> Iterator[Line]:
        path = self._scratch / f"{name}.json"
        with (
            self._leased(),
            _private(path, job.model_dump_json()),
            self._child(name, (module, str(path))) as child,
        ):
            done = False
            for line in _lines(child, lines):
                done = line.says in {"done", "halted"}
                yield line
            if not done:
                raise child.lost()

    @contextmanager
    def _leased(self) -> Iterator[None]:
        if not self._lease.acquire(blocking=False):
            raise RuntimeError("the GPU is leased already")
        try:
            yield
        finally:
            self._held = None
            self._lease.release()

    def _child(self, name: str, module: tuple[str, ...]) -> Child:
        arguments = (*self._python, "-m", *module)
        self._held = Child(name, arguments, run=self._run, logs=self._logs, environment=self._environment)
        return self._held


def find_openblas() -> Path | None:
    """Find the BLAS that makes MLX fast on Linux; None on a Mac, which needs none, and where there is none.

    Looks at `LOOPD_OPENBLAS`, then beside the interpreter (`openblas/` in the environment), then where Linux
    distributions put it.
    """
    if sys.platform != "linux":
        return None
    named = os.environ.get("LOOPD_OPENBLAS")
    beside = [path for name in LIBRARIES for path in sorted(_beside().rglob(name))]
    system = [path for name in LIBRARIES for place in PLACES for path in sorted(Path("/").glob(f"{place}/{name}"))]
    candidates = [*([Path(named)] if named else []), *beside, *system]
    return next((path.resolve() for path in candidates if path.is_file()), None)


def preload() -> dict[str, str]:
    """Build the environment that puts OpenBLAS under MLX; it must be there before the process starts."""
    library = find_openblas()
    if library is None:
        return {}
    loaded = {"LD_PRELOAD": str(library), **WAIT}
    if not library.is_relative_to(_beside()):
        return loaded
    needed = sorted({str(path.parent) for path in _beside().rglob("*.so*")})  # its Fortran runtime lies beside it
    return {**loaded, "LD_LIBRARY_PATH": os.pathsep.join(needed)}


def _beside() -> Path:
    return Path(sys.prefix).resolve() / "openblas"


def _ready(child: Child) -> Ready:
    """Wait until the server says that it is ready."""
    try:
        for message in child.messages(READY):
            if isinstance(message.get("port"), int):
                return Ready.model_validate(message)
    except TimeoutError as error:
        raise ProviderError(FailureKind.LOST, f"{error} while it loaded the model. {child.tail()}") from error
    raise child.lost()


def _lines(child: Child, lines: TypeAdapter[Line]) -> Iterator[Line]:
    try:
        for message in child.messages(SILENCE):
            yield lines.validate_python(message)
    except TimeoutError as error:
        raise ProviderError(FailureKind.LOST, f"{error}. {child.tail()}") from error
    except ValidationError as error:
        reason = f"{child.name} sent an invalid line: {first_fault(error)}"
        raise ProviderError(FailureKind.BAD_OUTPUT, reason) from error


@contextmanager
def _private(path: Path, text: str) -> Iterator[Path]:
    """Keep a file that only this user reads for as long as the block lasts."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(text)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
