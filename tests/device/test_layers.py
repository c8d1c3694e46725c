from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STANDARD_LIBRARY_ONLY = ("manifest", "image_header", "decision", "artifact")
PILLOW_ONLY = ("image", "fit", "scene")
VENDORS = "numpy PIL onnxruntime openvino mxnet"


def imports_without(module: str, blocked: str) -> str:
    program = f"import sys\nfor name in {blocked!r}.split(): sys.modules[name] = None\nimport device.runtime.{module}"
    done = subprocess.run([sys.executable, "-c", program], cwd=str(ROOT), stderr=subprocess.PIPE, check=False)
    return done.stderr.decode()


@pytest.mark.parametrize("module", STANDARD_LIBRARY_ONLY)
def test_the_lambda_imports_it_with_the_standard_library_alone(module: str) -> None:
    assert imports_without(module, VENDORS) == ""


@pytest.mark.parametrize("module", PILLOW_ONLY)
def test_the_lambda_imports_it_without_numpy(module: str) -> None:
    assert imports_without(module, VENDORS.replace("PIL ", "")) == ""


@pytest.mark.parametrize("module", ["predictor", "engines"])
def test_no_engine_is_imported_before_it_is_asked_for(module: str) -> None:
    assert imports_without(module, "onnxruntime openvino mxnet") == ""
