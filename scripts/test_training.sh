#!/bin/sh
# Training's tests, where MXNet runs: in its own environment, without the service's conftest.
set -eu
cd "$(dirname "$0")/.."
[ -d tests/training ] || exit 0
if [ -f .venv-train/unavailable.txt ]; then
    echo "tests/training: SKIPPED. $(tail -n 1 .venv-train/unavailable.txt)"
    exit 0
fi
exec .venv-train/bin/python -m pytest --confcutdir=tests/training tests/training "$@"
