#!/bin/sh
# Build the wheel, install it as somebody without a checkout would, into a directory that is removed, and use it.
# Needs uv and the network: `sh ops/try_wheel.sh`.
set -eu
cd "$(dirname "$0")/.."
where=$(mktemp -d)
trap 'rm -rf "$where"' EXIT
uv build --quiet --wheel --out-dir "$where/dist" .
export UV_TOOL_DIR="$where/tools" UV_TOOL_BIN_DIR="$where/bin" LOOPD_HOME="$where/home" PATH="$where/bin:$PATH"
uv tool install --quiet --constraints locks/run.txt "$where"/dist/loopd_rest-*.whl
cd "$where"
loopd --version
loopd doctor >before.txt && { echo "the doctor missed that there are no worlds"; exit 1; }
grep -q 'loopd setup' before.txt
loopd setup
loopd doctor
loopd init --backends GorillaFileSystem --out own.toml </dev/null
loopd --config own.toml config check
loopd start --foreground --no-ray --rounds 0
loopd status
