"""Stands for `python -m loop.student.server` and `python -m loop.training.trainer`; FAKE says how it behaves."""

import json
import os
import signal
import sys
import time
from pathlib import Path

NO_MEMORY = "[METAL] Command buffer execution failed: Insufficient Memory"


def serve(arguments):
    token = Path(arguments[arguments.index("--token-file") + 1])
    assert token.stat().st_mode & 0o777 == 0o600
    sys.stdout.write("Loading weights\n")
    served = {"device": "cpu", "dtype": "float32", "engine": os.environ.get("FAKE_ENGINE", "shared-prefix")}
    say(port=4711, arguments=arguments, **served)
    sys.stdin.read()


def train(arguments):
    job = json.loads(Path(arguments[0]).read_text())
    for step in range(1, job["steps"] + 1):
        say(says="step", step=step, steps=job["steps"], loss=1.0)
        if step == job.get("dies_at"):
            os.kill(os.getpid(), signal.SIGKILL) if job.get("killed") else abort(job.get("words", NO_MEMORY))
    say(**job.get("last", {"says": "done", "adapter": "out", "tensors": 1, "step": job["steps"]}))


def abort(words=NO_MEMORY):
    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()
    os.kill(os.getpid(), signal.SIGABRT)


def say(**message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def main():
    behaviour = os.environ.get("FAKE", "")
    if behaviour == "abort":
        abort()
    if behaviour == "silent":
        time.sleep(60)
    module, *arguments = sys.argv[2:]
    serve(arguments) if module == "loop.student.server" else train(arguments)


main()
