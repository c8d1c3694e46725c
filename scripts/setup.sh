#!/bin/sh
# Makes the named environments ready: setup.sh service training. Instant when they already are.
set -eu
cd "$(dirname "$0")/.."
if [ -z "${PYTHON:-}" ] && .venv/bin/python -c 'import ensurepip' 2>/dev/null; then
    python=.venv/bin/python
else
    python=$(sh scripts/find_python.sh 3.13 3.12 3.11)
fi
exec "$python" scripts/environment.py "$@"
