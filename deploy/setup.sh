#!/usr/bin/env bash
# Makes .venv with everything Cliply needs, byte-compiled. Run by make; safe to run again.
set -euo pipefail
cd "$(dirname "$0")/.."

python=''
for name in python3 python3.13 python3.12 python3.11 python3.14; do
    if command -v "$name" >/dev/null && "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null; then
        python=$name
        break
    fi
done
if [ -z "$python" ]; then
    echo "Cliply needs Python 3.11 or newer. On Debian or Ubuntu: apt-get install python3 python3-venv" >&2
    exit 4
fi

# Debian ships Python without the part that makes environments.
if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null
    else
        echo "Python's venv module is missing. Run: sudo apt-get install python3-venv" >&2
        exit 4
    fi
fi

echo "Setting up .venv (about 2.5 GB, one to three minutes)"
[ -x .venv/bin/python ] || "$python" -m venv .venv
if [ ! -x .venv/bin/uv ]; then
    .venv/bin/python -m ensurepip >/dev/null
    .venv/bin/python -m pip install -qq --disable-pip-version-check uv
fi
# Without compiled bytecode every process pays 1 to 2 s at each start.
unset PYTHONDONTWRITEBYTECODE
export VIRTUAL_ENV="$PWD/.venv" UV_COMPILE_BYTECODE=1
.venv/bin/uv pip sync --quiet --require-hashes requirements.lock
.venv/bin/uv pip install --quiet --no-deps --no-build-isolation --editable .
.venv/bin/python -m compileall -q cliply_assets cliply_api cliply_resources sensors schedules
touch .venv/.ready
