"""The job definitions of training/jobs: from the package where `make package` copied them, else from the checkout."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chalicelib.config import CHECKOUT
from chalicelib.domain.errors import DefinitionNotFoundError
from chalicelib.domain.inference import Task
from chalicelib.domain.training_job import OURS, JobDefinition

PACKAGED = Path(__file__).parent.parent / "static" / "jobs"
NAME = re.compile(r"[a-z0-9-]{1,63}")


class JobFiles:
    """`folder` holds the definitions, one JSON file each; None: those that come with Binsight."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folders = (folder,) if folder else (PACKAGED, CHECKOUT / "training" / "jobs")

    def __call__(self, name: str) -> JobDefinition:
        """Raises: DefinitionNotFoundError."""
        known = self.names()
        if name not in known:
            raise DefinitionNotFoundError(
                f"There is no job definition '{name[:80]}'; there are: {', '.join(sorted(known)) or 'none'}."
            )
        return parse_definition(name, json.loads(known[name].read_text(encoding="utf-8")))

    def names(self) -> dict[str, Path]:
        folder = next((folder for folder in self._folders if folder.is_dir()), None)
        found = folder.glob("*.json") if folder else ()
        return {path.stem: path for path in found if NAME.fullmatch(path.stem)}


def parse_definition(name: str, document: Mapping[str, Any]) -> JobDefinition:
    return JobDefinition(
        name=document.get("name", name),
        task=Task(document["task"]),
        algorithm=document.get("algorithm", OURS),
        hyperparameters={key: str(value) for key, value in document.get("hyperparameters", {}).items()},
        instance_type=document.get("instance_type", "ml.m5.xlarge"),
        instance_count=document.get("instance_count", 1),
        max_runtime_s=document.get("max_runtime_s", 3600),
        spot=document.get("spot", True),
        document=document,
    )
