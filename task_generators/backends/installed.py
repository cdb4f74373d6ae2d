"""Which release of BFCL the worlds rest on, and how to install it: without the packages that its own command wants."""

from typing import Final

VERSION: Final = "2026.3.23"
INSTALL: Final = f"Type: loopd setup (it installs bfcl-eval {VERSION})"
