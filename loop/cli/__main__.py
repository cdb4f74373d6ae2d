"""Where `loopd` begins, before anything is imported that takes time; also `python -m loop.cli`."""

import os
import sys

INTERRUPTED = 130
"""The exit code of what Ctrl-C ended, before anything is imported that could say so."""


def run() -> None:
    """Make sure of the three streams, then run the command line."""
    try:
        _open_streams()
        from loop.cli.main import main  # noqa: PLC0415 - whoever interrupts meanwhile is told in one line

        main()
    except KeyboardInterrupt:
        os.write(2, b"loopd: interrupted\n")
        os._exit(INTERRUPTED)


def _open_streams() -> None:
    """Open what the caller closed: the next file would take its number, and be printed into."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - open to the end
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")  # what a terminal's encoding lacks is spelled


if __name__ == "__main__":
    run()
