#!/bin/sh
# Make .venv in the project's folder and install audiorestore into it, with the tested versions; do nothing if that has
# been done with the same versions. An argument names the extras: sh recipes/install.sh test
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
extras=${1:-}
stamp=$root/.venv/.installed-${extras:-plain}
if [ ! -f "$stamp" ] || [ "$root/pyproject.toml" -nt "$stamp" ] || [ "$here/constraints.txt" -nt "$stamp" ]; then
    "${PYTHON:-python3}" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
        echo "audiorestore needs Python 3.11 or newer; name one with PYTHON=..." >&2
        exit 1
    }
    echo "installing into $root/.venv ..." >&2
    "${PYTHON:-python3}" -m venv "$root/.venv"
    "$root/.venv/bin/python" -m pip install --quiet --disable-pip-version-check \
        -c "$here/constraints.txt" -e "$root${extras:+[$extras]}"
    touch "$stamp"
fi
