"""What every importer answers: labelled photos, and a report of what was read and what was left out and why."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path


class DatasetError(ValueError):
    """The data cannot be trained on; the message says what to do about it."""


@dataclass(frozen=True)
class Photo:
    path: Path
    label: str
    sha256: str
    perceptual_hash: int
    group: str = ""


@dataclass(frozen=True)
class Skipped:
    name: str
    reason: str


@dataclass(frozen=True)
class ImportReport:
    source: str
    read: int
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()

    def lines(self, limit: int = 10) -> list[str]:
        lines = [f"{self.source}: {self.read} photos read, {len(self.skipped)} skipped"]
        lines += [f"  skipped {skipped.name}: {skipped.reason}" for skipped in self.skipped[:limit]]
        if len(self.skipped) > limit:
            lines.append(f"  ... and {len(self.skipped) - limit} more")
        return lines + [f"  {note}" for note in self.notes]


@dataclass(frozen=True)
class PhotoSet:
    labels: tuple[str, ...]
    photos: tuple[Photo, ...]
    report: ImportReport = field(default_factory=lambda: ImportReport("memory", 0))

    def counts(self) -> dict[str, int]:
        counted = Counter(photo.label for photo in self.photos)
        return {label: counted[label] for label in self.labels}

    def fingerprint(self) -> str:
        """SHA-256 over every photo's content and label: the same data, wherever it lies, in whatever order."""
        lines = sorted(f"{photo.sha256} {photo.label}" for photo in self.photos)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def with_photos(self, photos: tuple[Photo, ...]) -> "PhotoSet":
        return PhotoSet(self.labels, photos, self.report)


def require_trainable(photos: PhotoSet, minimum_per_label: int = 3) -> PhotoSet:
    """Raises: DatasetError, for no photos, one class, or a class too small to be split in three."""
    if not photos.photos:
        first = "".join(f" ({each.name}: {each.reason})" for each in photos.report.skipped[:1])
        raise DatasetError(f"{photos.report.source} holds no readable photo{first}")
    if len(photos.labels) < 2:
        raise DatasetError(
            f"{photos.report.source} has one class ({photos.labels[0]}): a classifier needs at least two, "
            "each in a folder of its own"
        )
    for label, count in photos.counts().items():
        if count < minimum_per_label:
            raise DatasetError(f"class {label} has {count} photos: at least {minimum_per_label} are needed")
    return photos
