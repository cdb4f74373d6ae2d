"""`python -m loop.cli` is `loopd`: how the daemon starts itself, whatever is on the PATH."""

from loop.cli.main import main

main()
