"""What a detection job says beyond the common hyperparameters: the JSON in `options`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from training.detection.augmentation import Augmentation
from training.layout import TrainingError


@dataclass(frozen=True)
class DetectionOptions:
    """labels name the classes where the manifest has no class map; values are what one object of a label is worth."""

    labels: tuple[str, ...] = ()
    values: Mapping[str, float] | None = None
    maps: int = 2
    ratios: tuple[float, ...] = (1.0, 2.0, 0.5)
    added_objects: int = 4
    zoom: float = 0.2
    composed_per_frame: int = 2  # frames composed of several objects, for each validation frame
    nms_threshold: float = 0.45

    @classmethod
    def parse(cls, text: str) -> DetectionOptions:
        """Raises: TrainingError, for what is not JSON or has an unknown name."""
        try:
            document: dict[str, Any] = json.loads(text or "{}")
        except ValueError as error:
            raise TrainingError(f"hyperparameter options is not JSON: {error}") from error
        unknown = sorted(set(document) - {field.name for field in fields(cls)})
        if unknown:
            raise TrainingError(f"options has unknown names: {', '.join(unknown)}")
        for name in {"labels", "ratios"} & set(document):
            document[name] = tuple(document[name])
        return cls(**document)

    def augmentation(self, strength: float) -> Augmentation:
        return Augmentation(
            light=0.3 * strength,
            object_light=0.4 * strength,
            zoom=self.zoom * strength,
            added_objects=self.added_objects,
        )

    def values_of(self, labels: tuple[str, ...]) -> tuple[float | None, ...]:
        values = self.values or {}
        strangers = sorted(set(values) - set(labels))
        if strangers:
            raise TrainingError(f"options has values for labels that no frame has: {', '.join(strangers)}")
        return tuple(values.get(label) for label in labels)
