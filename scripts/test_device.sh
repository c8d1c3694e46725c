#!/bin/sh
# The camera's tests under a real Python 3.7, in an environment of its own. pytest prints the interpreter's version and the
# number of tests.
set -eu
cd "$(dirname "$0")/.."
if ! python37=$(PYTHON='' sh scripts/find_python.sh 3.7 2>/dev/null); then
    echo "device-test: SKIPPED. There is no Python 3.7 on this machine; its tests ran under $(.venv/bin/python --version) only."
    exit 0
fi
sh scripts/setup.sh device
echo "device-test: $("$python37" --version)"
.venv-device/bin/python -W error -m compileall -q device
exec .venv-device/bin/python -m pytest --confcutdir=tests/device tests/device "$@"
