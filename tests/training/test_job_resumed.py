"""A job on this machine that was killed goes on from its checkpoints when it is begun again; another job does not."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from training.datasets.rendered import write_rendered_waste
from training.job import JobError, JobRequest, run_job

# Stands for the training environment: leaves a checkpoint and dies; told again, it says from where it would go on.
PROGRAM = """#!{python}
import os, pathlib, sys
root = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
found = sorted(path.name for path in (root / "checkpoints").glob("epoch-*"))
(root / "output").mkdir()
(root / "output" / "failure").write_text(f"found {{found}}")
(root / "checkpoints" / f"epoch-{{len(found) + 1:04d}}").mkdir()
sys.exit(1)
"""


@pytest.fixture
def request_(tmp_path: Path) -> JobRequest:
    program = tmp_path / "python"
    program.write_text(PROGRAM.format(python=sys.executable))
    program.chmod(0o755)
    photos = write_rendered_waste(tmp_path / "photos", per_label=4, side=48)
    return JobRequest(tmp_path / "work", tmp_path / "out", program, data=photos)


def test_the_same_job_goes_on(request_: JobRequest) -> None:
    for found in ("[]", "['epoch-0001']", "['epoch-0001', 'epoch-0002']"):
        with pytest.raises(JobError) as refused:
            run_job(request_)
        assert str(refused.value) == f"found {found}"


@pytest.mark.parametrize("changes", [{"seed": 1}, {"hyperparameters": {"epochs": "3"}}], ids=["seed", "epochs"])
def test_another_job_begins_anew(request_: JobRequest, changes: dict[str, object]) -> None:
    with pytest.raises(JobError):
        run_job(request_)
    with pytest.raises(JobError, match=r"found \[\]"):
        run_job(replace(request_, **changes))


def test_other_photos_begin_anew(request_: JobRequest, tmp_path: Path) -> None:
    with pytest.raises(JobError):
        run_job(request_)
    other = write_rendered_waste(tmp_path / "other", per_label=4, seed=5, side=48)
    with pytest.raises(JobError, match=r"found \[\]"):
        run_job(replace(request_, data=other))
