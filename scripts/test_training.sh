#!/bin/sh
# What needs MXNet, where it runs: training's tests and the camera runtime's MXNet engine, in MXNet's own environment.
set -eu
cd "$(dirname "$0")/.."
[ -d tests/training ] || exit 0
if [ -f .venv-train/unavailable.txt ]; then
    echo "tests/training: SKIPPED. $(tail -n 1 .venv-train/unavailable.txt)"
    exit 0
fi
[ ! -f tests/device/test_mxnet_engine.py ] || set -- tests/device/test_mxnet_engine.py "$@"
exec .venv-train/bin/python -m pytest tests/training "$@"
