"""SageMaker's training container layout, on AWS and on this machine (`SAGEMAKER_BASE_DIR` replaces /opt/ml).

Reads input/config/hyperparameters.json (values are strings) and input/data/<channel>; writes model/, checkpoints/ and,
when training fails, output/failure. The model appears whole or not at all.
"""

import json
import logging
import os
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from training.datasets.photo_set import DatasetError

LOGGER = logging.getLogger(__name__)
MAX_FAILURE_CHARACTERS = 1024  # what DescribeTrainingJob shows of it


class TrainingError(RuntimeError):
    """Training cannot go on; the message says why, for a person."""


@dataclass(frozen=True)
class ContainerLayout:
    root: Path

    @classmethod
    def from_environment(cls) -> "ContainerLayout":
        return cls(Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")))

    @property
    def model(self) -> Path:
        return Path(os.environ.get("SM_MODEL_DIR", self.root / "model"))

    @property
    def checkpoints(self) -> Path:
        return self.root / "checkpoints"

    @property
    def failure(self) -> Path:
        return self.root / "output" / "failure"

    def hyperparameters(self) -> dict[str, str]:
        path = self.root / "input" / "config" / "hyperparameters.json"
        if not path.exists():
            return {}
        try:
            return {str(key): str(value) for key, value in json.loads(path.read_text()).items()}
        except (ValueError, AttributeError) as error:
            raise TrainingError(f"{path} is not a JSON object: {error}") from error

    def channel(self, name: str) -> Path | None:
        folder = self.root / "input" / "data" / name
        return folder if folder.is_dir() else None

    def require_channel(self, name: str) -> Path:
        folder = self.channel(name)
        if folder is None:
            raise TrainingError(f"the channel {name} is missing: {self.root / 'input' / 'data' / name} is no folder")
        return folder

    @contextmanager
    def whole_model(self) -> Iterator[Path]:
        """A folder to write the model into; it reaches `model` only when the block ends without an error."""
        self.model.mkdir(parents=True, exist_ok=True)
        incoming = self.model / ".incoming"
        shutil.rmtree(incoming, ignore_errors=True)
        incoming.mkdir()
        try:
            yield incoming
            for path in sorted(incoming.iterdir()):
                path.replace(self.model / path.name)
        finally:
            shutil.rmtree(incoming, ignore_errors=True)


def run_in_container(layout: ContainerLayout, program: Callable[[ContainerLayout], None]) -> int:
    """The process' outermost edge: whatever fails is told to SageMaker in output/failure, and the exit code is 1."""
    try:
        program(layout)
    except (TrainingError, DatasetError) as error:
        return _fail(layout, str(error))
    except OSError as error:
        return _fail(layout, f"{error.strerror or error}: {error.filename or ''}".rstrip(": "))
    except Exception as error:  # noqa: BLE001 - the outermost edge
        traceback.print_exc()
        return _fail(layout, f"{type(error).__name__}: {error}")
    return 0


def _fail(layout: ContainerLayout, message: str) -> int:
    print(f"training failed: {message}", file=sys.stderr)
    try:
        layout.failure.parent.mkdir(parents=True, exist_ok=True)
        layout.failure.write_text(message[:MAX_FAILURE_CHARACTERS])
    except OSError as error:
        print(f"the reason could not be written to {layout.failure}: {error}", file=sys.stderr)
    return 1
