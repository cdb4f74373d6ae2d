"""The one owner of the GPU: a crash of its child is an error with the child's last words, and it can start again."""

import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from loop.errors import FailureKind, OutOfMemory, ProviderError
from loop.runtime import child
from loop.runtime import gpu as gpu_module
from loop.runtime.gpu import Gpu, KeptPrefixes, find_openblas, preload
from loop.types import Record

FAKE = (sys.executable, str(Path(__file__).with_name("fake_mlx.py")))
LAST_WORDS = r"SIGABRT.*Insufficient Memory"


class Steps(Record):
    """What the fake trainer is asked for: so many steps, and how to die on the way."""

    steps: int = 0
    dies_at: int | None = None
    killed: bool = False
    words: str = "[METAL] Command buffer execution failed: Insufficient Memory"
    last: dict = {"says": "done", "adapter": "out", "tensors": 1, "step": 2}


def make(tmp_path, **environment):
    return Gpu(tmp_path / "run", tmp_path / "logs", tmp_path / "scratch", python=FAKE, environment=environment)


def test_a_server_is_reached_by_its_port_and_its_token_and_ends_with_the_block(tmp_path):
    with make(tmp_path) as gpu:
        with gpu.serving("base", template="compact", adapter="adapter", max_rows=4) as served:
            assert served.url == "http://127.0.0.1:4711"
            assert len(served.token_file.read_text()) >= 32
            assert served.alive
            pid = served._child.pid
        assert not psutil.pid_exists(pid)
        assert not served.token_file.exists()
        assert not served.alive


def test_the_server_is_asked_for_exactly_what_it_shall_serve(tmp_path):
    with make(tmp_path) as gpu, gpu.serving("base", template="compact") as served:
        command = psutil.Process(served._child.pid).cmdline()
    assert command[2:8] == ["-m", "loop.student.server", "--base", "base", "--template", "compact"]
    assert command[8:] == ["--token-file", str(served.token_file), "--port", "0"]


def test_the_server_is_told_where_prefixes_are_kept_unless_none_may_be(tmp_path):
    for mib, told in ((7, ["--prefixes", "there", "--prefix-mib", "7", "--policy", "p"]), (0, [])):
        kept = KeptPrefixes(directory="there", mib=mib, policy="p")
        with make(tmp_path) as gpu, gpu.serving("base", template="compact", prefixes=kept) as served:
            command = psutil.Process(served._child.pid).cmdline()
        assert command[8:] == [*told, "--token-file", str(served.token_file), "--port", "0"]


def test_how_the_student_is_served_is_told_and_a_fallback_stands_out(tmp_path):
    for engine, shares in (("shared-prefix", True), ("mlx-lm", False)):
        with make(tmp_path, FAKE_ENGINE=engine) as gpu, gpu.serving("base", template="compact") as served:
            assert served.ready.shares is shares
            assert ("not shared" in served.ready.words) is not shares
            assert served.ready.words.startswith(f"float32 on cpu, engine {engine}")


@pytest.mark.reliability(id="F16")
def test_a_server_that_dies_is_noticed_and_can_be_started_again(tmp_path):
    with make(tmp_path) as gpu:
        with gpu.serving("base", template="compact") as served:
            os.kill(served._child.pid, signal.SIGKILL)
            served._child._wait(5.0)
            assert not served.alive
            with pytest.raises(ProviderError, match="was ended by SIGKILL") as caught:
                served.check()
            assert caught.value.kind is FailureKind.LOST
        with gpu.serving("base", template="compact") as again:
            again.check()


@pytest.mark.reliability(id="F16")
def test_a_server_that_aborts_while_it_loads_says_why(tmp_path):
    gpu = make(tmp_path, FAKE="abort")
    with pytest.raises(ProviderError, match=LAST_WORDS), gpu.serving("base", template="compact"):
        pass


def test_a_server_that_never_gets_ready_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu_module, "READY", 0.3)
    gpu = make(tmp_path, FAKE="silent")
    with pytest.raises(ProviderError, match="did not answer in time"), gpu.serving("base", template="compact"):
        pass
    assert not list((tmp_path / "run").iterdir())


def test_training_yields_its_progress_and_ends_with_done(tmp_path):
    with make(tmp_path) as gpu:
        lines = [*gpu.training(Steps(steps=2))]
    assert [(line.says, line.step) for line in lines] == [("step", 1), ("step", 2), ("done", 2)]
    assert not list((tmp_path / "scratch").iterdir())


@pytest.mark.parametrize(
    "last",
    [
        {"says": "finished"},
        {"step": 1},
        {"says": "done", "adapter": "out", "tensors": "many", "step": 1},
        {"says": "step", "step": 1, "steps": 1, "loss": 1.0, "password": "x"},
    ],
)
def test_a_line_that_no_trainer_says_ends_the_training_by_name(last, tmp_path):
    with make(tmp_path) as gpu:
        with pytest.raises(ProviderError, match="trainer sent an invalid line") as caught:
            list(gpu.training(Steps(last=last)))
        assert caught.value.kind is FailureKind.BAD_OUTPUT
        assert [line.says for line in gpu.training(Steps())] == ["done"]


@pytest.mark.reliability(id="F16")
def test_a_trainer_that_aborts_is_lost_and_frees_the_gpu(tmp_path):
    with make(tmp_path) as gpu:
        with pytest.raises(ProviderError, match=LAST_WORDS) as caught:
            list(gpu.training(Steps(steps=3, dies_at=1)))
        assert caught.value.kind is FailureKind.LOST
        assert [line.says for line in gpu.training(Steps())] == ["done"]


@pytest.mark.parametrize(
    "way",
    [
        {},
        {"words": "libc++abi: terminating: [malloc] Unable to allocate 12884901888 bytes."},
        {"words": "[metal::malloc] Attempting to allocate 30000000000 bytes which is greater than the maximum"},
        {"words": "what():  std::bad_alloc"},
        {"words": "[METAL] Command buffer execution failed: Impacting Interactivity (0000000e:kIOGPUCommandBuffer...)"},
        {"words": "[METAL] Command buffer execution failed: Caused GPU Timeout Error (00000002:kIOGPU...)"},
        {"words": "[METAL] Command buffer execution failed: Caused GPU Hang Error (00000003:kIOGPUCommandBuffer...)"},
        {"words": "RuntimeError: [metal::malloc] Resource limit (499000) exceeded."},
    ],
)
@pytest.mark.reliability(id="F16")
def test_a_trainer_that_runs_out_of_memory_is_told_from_other_ends(way, tmp_path):
    with make(tmp_path) as gpu, pytest.raises(OutOfMemory):
        list(gpu.training(Steps(steps=3, dies_at=1, **way)))


@pytest.mark.parametrize("after", ["oom_kill 4", None])
def test_a_killed_trainer_ran_out_of_memory_where_the_kernel_counts_one_more_or_nothing(after, tmp_path, monkeypatch):
    kernel = tmp_path / "vmstat"
    monkeypatch.setattr(child, "KERNEL", kernel)
    if after:
        kernel.write_text("pgfree 7\noom_kill 3\n")
    with make(tmp_path) as gpu:
        training = gpu.training(Steps(steps=3, dies_at=1, killed=True))
        next(training)
        if after:
            kernel.write_text(after)
        with pytest.raises(OutOfMemory):
            list(training)


def test_a_trainer_that_somebody_killed_did_not_run_out_of_memory(tmp_path, monkeypatch):
    kernel = tmp_path / "vmstat"
    kernel.write_text("oom_kill 3")
    monkeypatch.setattr(child, "KERNEL", kernel)
    with make(tmp_path) as gpu, pytest.raises(ProviderError, match="SIGKILL") as caught:
        list(gpu.training(Steps(steps=3, dies_at=1, killed=True)))
    assert not isinstance(caught.value, OutOfMemory)


def test_a_trainer_that_aborts_for_another_reason_did_not_run_out_of_memory(tmp_path):
    with make(tmp_path) as gpu, pytest.raises(ProviderError, match="SIGABRT") as caught:
        list(gpu.training(Steps(steps=3, dies_at=1, words="assertion failed")))
    assert not isinstance(caught.value, OutOfMemory)


def test_closing_a_training_ends_it_and_frees_the_gpu(tmp_path):
    with make(tmp_path) as gpu:
        training = gpu.training(Steps(steps=1_000_000))
        next(training)
        pid = gpu._held.pid
        training.close()
        assert not psutil.pid_exists(pid)
        assert [line.says for line in gpu.training(Steps())] == ["done"]


def test_the_gpu_never_has_two_owners(tmp_path):
    with make(tmp_path) as gpu, gpu.serving("base", template="compact"):
        with pytest.raises(RuntimeError, match="leased"):
            next(gpu.training(Steps(steps=1)))
        with pytest.raises(RuntimeError, match="leased"), gpu.serving("base", template="compact"):
            pass


def test_openblas_named_by_the_operator_is_what_the_child_loads(tmp_path, monkeypatch):
    library = tmp_path / "libopenblas.so.0"
    library.touch()
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("LOOPD_OPENBLAS", str(library))
    assert find_openblas() == library
    assert preload() == {"LD_PRELOAD": str(library), "OPENBLAS_THREAD_TIMEOUT": "20"}


def test_openblas_beside_the_interpreter_is_found_with_what_it_needs(tmp_path, monkeypatch):
    library = tmp_path / "openblas/usr/lib/x86_64-linux-gnu/openblas-pthread/libopenblas.so.0"
    runtime = tmp_path / "openblas/usr/lib/x86_64-linux-gnu/libgfortran.so.5"
    library.parent.mkdir(parents=True)
    library.touch()
    runtime.touch()
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.delenv("LOOPD_OPENBLAS", raising=False)
    places = f"{runtime.parent}:{library.parent}"
    assert preload() == {"LD_PRELOAD": str(library), "LD_LIBRARY_PATH": places, "OPENBLAS_THREAD_TIMEOUT": "20"}


def test_a_mac_needs_no_openblas(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert find_openblas() is None
    assert preload() == {}
