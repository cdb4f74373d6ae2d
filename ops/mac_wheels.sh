#!/bin/sh
# Is there a wheel for macOS on Apple silicon of every package that is locked? Lists each. Needs uv and the network;
# nothing is downloaded but what an index says of a package.
set -eu
cd "$(dirname "$0")/.."
export MACOSX_DEPLOYMENT_TARGET=14.0 # the oldest that MLX has wheels for
for python in ${1:-3.11 3.12 3.13 3.14}; do
    echo "Python $python, macOS $MACOSX_DEPLOYMENT_TARGET, arm64:"
    uv pip install --dry-run --no-deps --require-hashes --only-binary :all: --python-platform aarch64-apple-darwin \
        --python-version "$python" --target "${TMPDIR:-/tmp}/loopd-mac-wheels" -r locks/run.txt -r locks/data.txt 2>&1 |
        grep -E '^ \+|error|cause|hint' || true
    echo
done
