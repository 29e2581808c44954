#!/bin/sh
# Installs the lake into a virtual environment, every version as deploy/constraints.txt pins it.
# Called by make; PYTHON and VENV choose the interpreter and the folder.
set -eu
PYTHON=${PYTHON:-python3}
VENV=${VENV:-.venv}
started=$(date +%s)

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

command -v "$PYTHON" >/dev/null 2>&1 ||
    fail "There is no '$PYTHON'. Install Python 3.10 to 3.13, or name one: make demo PYTHON=python3.12"
"$PYTHON" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' ||
    fail "'$PYTHON' is $("$PYTHON" --version 2>&1); the lake needs 3.10 to 3.13. Name another: make demo PYTHON=python3.12"
"$PYTHON" -c 'import venv, ensurepip' 2>/dev/null ||
    fail "'$PYTHON' has no venv module. Cure: apt-get install python3-venv (Debian, Ubuntu), or name another Python: make demo PYTHON=/path/to/python3"

[ -x "$VENV/bin/python" ] || "$PYTHON" -m venv "$VENV"
"$VENV/bin/python" -m pip install --quiet --disable-pip-version-check uv ||
    fail "uv could not be installed by pip; is the package index reachable (pip config list)?"
"$VENV/bin/uv" pip install --quiet --compile-bytecode --python "$VENV/bin/python" \
    --constraint deploy/constraints.txt --editable ./airflow_bridge --editable '.[test]' ||
    fail "The packages could not be installed; see the message above."
touch "$VENV/.installed"
echo "installed into $VENV in $(($(date +%s) - started)) s"
