"""A channel's photos in memory, fitted by the runtime's own code: what is trained on is what will be served."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from device.runtime.fit import fit_image
from device.runtime.image import open_image
from device.runtime.image_errors import InvalidImageError
from device.runtime.manifest import InputSpec
from training.datasets.channel import read_channel
from training.datasets.photo_set import DatasetError
from training.progress import Progress


@dataclass(frozen=True)
class Samples:
    photos: NDArray[np.uint8]  # (n, height, width, 3), RGB
    targets: NDArray[np.int64]  # (n,), index into labels
    labels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.targets)

    def counts(self) -> NDArray[np.int64]:
        return np.bincount(self.targets, minlength=len(self.labels))


def input_spec(size: int, fit: str, name: str = "data") -> InputSpec:
    return InputSpec(name=name, width=size, height=size, color_order="RGB", layout="NCHW", fit=fit)


def load_samples(folder: Path, spec: InputSpec, labels: Sequence[str] | None = None, enlarge: float = 1.0) -> Samples:
    """Every readable photo of a channel, `enlarge` times the input's size.

    Raises: DatasetError, for a label not among `labels`, a channel with nothing readable, or with nothing of one label.
    """
    listed = read_channel(folder)
    names = tuple(labels or sorted({photo.label for photo in listed}))
    strangers = sorted({photo.label for photo in listed} - set(names))
    if strangers:
        raise DatasetError(f"{folder} has labels that the training channel has not: {', '.join(strangers)}")
    size = round(spec.width * enlarge)
    larger = replace(spec, width=size, height=size)
    progress = Progress(f"reading {folder.name}", len(listed), "photos")
    photos: list[NDArray[np.uint8]] = []
    targets: list[int] = []
    with ThreadPoolExecutor(2) as pool:
        for photo, pixels in zip(listed, pool.map(lambda photo: _pixels(photo.path, larger), listed), strict=True):
            progress.advance(1)
            if pixels is not None:
                photos.append(pixels)
                targets.append(names.index(photo.label))
    if not photos:
        raise DatasetError(f"no photo of {folder} can be read")
    lost = sorted({photo.label for photo in listed} - {names[target] for target in targets})
    if lost:
        raise DatasetError(f"the channel {folder.name} has no readable photo of {', '.join(lost)}")
    return Samples(np.stack(photos), np.array(targets, dtype=np.int64), names)


def _pixels(path: Path, spec: InputSpec) -> NDArray[np.uint8] | None:
    try:
        return np.asarray(fit_image(open_image(path.read_bytes(), spec), spec), dtype=np.uint8)
    except InvalidImageError as error:
        print(f"skipped {path}: {error}", flush=True)
        return None


def require_every_class(samples: Samples, channel: str) -> Samples:
    missing = [label for label, count in zip(samples.labels, samples.counts(), strict=True) if not count]
    if missing:
        raise DatasetError(f"the channel {channel} has no photo of {', '.join(missing)}")
    return samples


def balanced_order(targets: NDArray[np.int64], balance: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """One epoch's order of samples, as many as there are: class frequencies ** (1 - balance)."""
    counts = Counter(targets.tolist())
    if balance <= 0 or len(counts) < 2:
        return rng.permutation(len(targets))
    weights = np.array([counts[target] ** -balance for target in targets.tolist()])
    return _draw_spread(weights / weights.sum(), rng)


def _draw_spread(chances: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Systematic sampling of a shuffled list: a rare photo comes back as often as its chance says, not by luck."""
    order = rng.permutation(len(chances))
    edges = np.cumsum(chances[order])
    ticks = (np.arange(len(chances)) + rng.random()) / len(chances)
    drawn = order[np.minimum(np.searchsorted(edges, ticks * edges[-1]), len(chances) - 1)]
    return rng.permutation(drawn)
