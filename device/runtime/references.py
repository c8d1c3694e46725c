"""How far a photo's features are from those of typical training photos."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Optional

import numpy as np

from device.runtime.manifest_types import Manifest, ManifestError

if TYPE_CHECKING:
    from device.runtime.tensor import FloatArray

_SHORTEST = 1e-12


def load_references(folder: Path, manifest: Manifest) -> Optional[FloatArray]:
    """float32 (count, dim), each row of length one. Raises: ManifestError when file and manifest disagree."""
    references = manifest.scene.references if manifest.scene else None
    if references is None:
        return None
    try:
        vectors = np.load(str(folder / references.file), allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ManifestError("%s: cannot be read (%s); package the model again" % (references.file, error)) from error
    if vectors.shape != (references.count, references.dim) or not np.isfinite(vectors).all():
        raise ManifestError(
            "%s: must hold (%d, %d) finite numbers, not %s; package the model again"
            % (references.file, references.count, references.dim, vectors.shape)
        )
    return _unit(vectors.astype(np.float32))


def cosine_distance(features: FloatArray, references: FloatArray) -> float:
    """0 (the same direction) to 2, to the nearest reference. features: any shape with dim numbers."""
    vector = np.asarray(features, dtype=np.float32).reshape(-1)
    length = math.sqrt(float(vector @ vector))
    return 1 - float((references @ vector).max()) / max(length, _SHORTEST)


def _unit(vectors: FloatArray) -> FloatArray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: FloatArray = (vectors / np.maximum(lengths, _SHORTEST)).astype(np.float32)
    return unit
