"""Weights between epochs: moving average, snapshots on disk written whole, and resuming from the newest."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.layout import TrainingError

Array = NDArray[np.float32]
Weights = dict[str, Array]  # argument and auxiliary arrays together; names never collide in MXNet


@dataclass
class MovingAverage:
    """Exponential moving average whose memory grows with the steps taken, so that the first steps are forgotten."""

    decay: float
    steps: int = 0
    average: Weights = field(default_factory=dict)

    def update(self, weights: Mapping[str, Array]) -> None:
        self.steps += 1
        decay = min(self.decay, self.steps / (self.steps + 10))
        for name, value in weights.items():
            if name in self.average:
                self.average[name] += (value - self.average[name]) * np.float32(1 - decay)
            else:
                self.average[name] = value.copy()


@dataclass(frozen=True)
class Snapshot:
    """All that the next epoch depends on: with it a killed job goes on as if nothing had happened."""

    epochs_done: int
    current: Weights
    average: Weights
    average_steps: int
    best: Weights
    history: tuple[Mapping[str, float], ...]
    optimizer_state: bytes


@dataclass(frozen=True)
class Checkpoints:
    """One folder a snapshot under `folder`; `identity` says which job it belongs to (settings and data)."""

    folder: Path
    identity: str

    def save(self, snapshot: Snapshot) -> None:
        target = self.folder / f"epoch-{snapshot.epochs_done:04d}"
        partial = self.folder / ".partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            self._write(partial, snapshot)
            shutil.rmtree(target, ignore_errors=True)
            partial.replace(target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        for older in self._folders()[:-1]:
            shutil.rmtree(older)

    def _write(self, partial: Path, snapshot: Snapshot) -> None:
        for part in ("current", "average", "best"):
            np.savez(partial / f"{part}.npz", **getattr(snapshot, part))
        (partial / "optimizer.bin").write_bytes(snapshot.optimizer_state)
        facts = {"identity": self.identity, "epochs_done": snapshot.epochs_done, "history": snapshot.history}
        (partial / "state.json").write_text(json.dumps({**facts, "average_steps": snapshot.average_steps}))

    def newest(self) -> Snapshot | None:
        """Raises: TrainingError, for a checkpoint of another job, which must not be continued by mistake."""
        folders = self._folders()
        if not folders:
            return None
        facts = json.loads((folders[-1] / "state.json").read_text())
        if facts["identity"] != self.identity:
            raise TrainingError(f"{self.folder} holds a checkpoint of another job (other settings or data): empty it")
        weights = {part: _load(folders[-1] / f"{part}.npz") for part in ("current", "average", "best")}
        optimizer_state = (folders[-1] / "optimizer.bin").read_bytes()
        history = tuple(facts["history"])
        return Snapshot(
            facts["epochs_done"],
            average_steps=facts["average_steps"],
            history=history,
            optimizer_state=optimizer_state,
            **weights,
        )

    def _folders(self) -> list[Path]:
        return sorted(self.folder.glob("epoch-*")) if self.folder.is_dir() else []


def _load(path: Path) -> Weights:
    with np.load(path) as arrays:
        return {name: arrays[name] for name in arrays.files}


def to_numpy(*parts: Mapping[str, Any]) -> Weights:
    return {name: value.asnumpy() for part in parts for name, value in part.items()}
