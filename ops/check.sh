#!/bin/sh
# Everything that can be known without running the program: style, types, layers, what nothing uses.
set -eu
cd "$(dirname "$0")/.."
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
.venv/bin/lint-imports --no-cache
.venv/bin/vulture
