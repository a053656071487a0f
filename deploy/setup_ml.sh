#!/usr/bin/env bash
# Makes .venv-ml: everything of .venv, and whisperx, ultralytics and open_clip with torch. Run by `make test-ml`; safe to run again.
set -euo pipefail
cd "$(dirname "$0")/.."

echo "Setting up .venv-ml (about 7 GB, one to five minutes)"
[ -x .venv-ml/bin/python ] || .venv/bin/uv venv --quiet --python .venv/bin/python .venv-ml
unset PYTHONDONTWRITEBYTECODE
export VIRTUAL_ENV="$PWD/.venv-ml" UV_COMPILE_BYTECODE=1
.venv/bin/uv pip sync --quiet --require-hashes requirements-ml.lock
.venv/bin/uv pip install --quiet --no-deps --no-build-isolation --editable .
# A test that skips where a package is absent must not pass for that reason here.
.venv-ml/bin/python -c "import whisperx, ultralytics, open_clip" >/dev/null
touch .venv-ml/.ready
