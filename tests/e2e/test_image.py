"""What the serving container's image is made of; no daemon is needed to see that it would hold together."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "training" / "container" / "Dockerfile"
COPIED = re.findall(r"^COPY (\S+) (\S+)$", DOCKERFILE.read_text(), re.MULTILINE)
NOT_INSTALLED = ["boto3", "botocore", "chalice", "chalicelib", "mxnet", "onnx", "pydantic", "aws_lambda_powertools"]


def test_everything_that_is_copied_in_is_there_and_passes_the_ignore_file() -> None:
    assert len(COPIED) >= 5
    allowed = (DOCKERFILE.parent / "Dockerfile.dockerignore").read_text().splitlines()
    for source, _ in COPIED:
        assert (ROOT / source).exists()
        assert f"!{source}" in allowed


@pytest.mark.parametrize("program", ["train", "serve", "evaluate"])
def test_sagemakers_programs_can_be_run(program: str) -> None:
    path = DOCKERFILE.parent / program
    assert path.stat().st_mode & 0o111
    module = re.search(r"-m (\S+)", path.read_text())
    assert module is not None
    assert (ROOT / (module.group(1).replace(".", "/") + ".py")).exists()


@pytest.mark.parametrize("module", ["training.container.serving", "training.container.evaluation"])
def test_the_image_serves_and_evaluates_from_what_it_holds_alone(tmp_path: Path, module: str) -> None:
    for source, target in COPIED:
        if not source.startswith("requirements"):
            copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
            destination = tmp_path / target / ("" if (ROOT / source).is_dir() else Path(source).name)
            destination.parent.mkdir(parents=True, exist_ok=True)
            copy(ROOT / source, destination)
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({NOT_INSTALLED!r})); sys.path.insert(0, {str(tmp_path)!r}); "
        f"import {module}, training.container.worker; print(training.container.worker.__file__)"
    )
    done = subprocess.run([sys.executable, "-I", "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.stderr == ""
    assert Path(done.stdout.strip()).is_relative_to(tmp_path)
