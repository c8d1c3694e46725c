"""A job on this machine, begun anew or gone on with: a killed job's checkpoints stay, if it is the same job."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

CHECKPOINTS = "checkpoints"
IDENTITY = "job.txt"


def clear(work: Path, layout: Path) -> None:
    """Everything goes but the checkpoints."""
    keep = {work, layout, layout / CHECKPOINTS}
    for folder in (layout, work):
        for path in folder.iterdir() if folder.is_dir() else ():
            if path not in keep:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def keep_own_checkpoints(
    layout: Path, fingerprint: str, hyperparameters: Mapping[str, str], checkpoint: object
) -> None:
    """Those of another job, of other photos or of other settings are removed."""
    told = json.dumps([fingerprint, dict(sorted(hyperparameters.items())), str(checkpoint)])
    identity = hashlib.sha256(told.encode()).hexdigest()
    folder = layout / CHECKPOINTS
    note = folder / IDENTITY
    if not note.is_file() or note.read_text() != identity:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        note.write_text(identity)


def forget_checkpoints(layout: Path) -> None:
    """The job is done: the next one of its kind trains again."""
    shutil.rmtree(layout / CHECKPOINTS, ignore_errors=True)
