#!/bin/bash
# usage: venv.sh DIR
# Makes the virtual environment DIR with a Python of 3.11 or newer, unless there is a good one.
# PYTHON=... names one; else the system's comes first, then what the PATH has (pyenv and others).
set -euo pipefail
venv=$1

suits() {
    "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

if [ -x "$venv/bin/python" ] && suits "$venv/bin/python" && [ -x "$venv/bin/pip" ]; then
    exit 0
fi
for python in ${PYTHON:-/usr/bin/python3 python3 python3.11 python3.12 python3.13 python3.14}; do
    if suits "$python"; then
        echo "virtual environment: $venv, from $(command -v "$python")"
        # Not --clear: what was built is kept in it.
        exec "$python" -m venv "$venv" </dev/null
    fi
done
echo "venv: no Python of 3.11 or newer with venv and ensurepip (PYTHON=... names one)" >&2
exit 1
