"""What a file of labels says before any photo is opened: which photos, their labels, and what was left out and why."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from training.datasets.channel import ChannelPhoto
from training.datasets.labels import is_count, label_notes
from training.datasets.photo_set import DatasetError, ImportReport, PhotoSet, Skipped
from training.datasets.reading import read_photos

BESIDE = ("", "images", "photos")


@dataclass(frozen=True)
class Listing:
    source: str
    photos: tuple[ChannelPhoto, ...]
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()

    def with_notes(self, notes: Sequence[str]) -> Listing:
        return replace(self, notes=(*self.notes, *notes))

    def report(self) -> ImportReport:
        return ImportReport(self.source, len(self.photos), self.skipped, self.notes)


@dataclass(frozen=True)
class Entry:
    """One line of a file of labels: `label` as it stands there, `name` for people who look for the line."""

    name: str
    label: str
    reference: str
    path: Path | None
    group: str = ""


def listing_of(source: Path, entries: Sequence[Entry | Skipped], notes: Sequence[str] = ()) -> Listing:
    """A photo that is named again is left out and said so, with what it was called first.

    Raises: DatasetError, when no entry has a label and a photo that is there.
    """
    photos: dict[Path, ChannelPhoto] = {}
    skipped: list[Skipped] = []
    for entry in entries:
        if isinstance(entry, Skipped):
            skipped.append(entry)
        elif not entry.label.strip():
            skipped.append(Skipped(entry.name, "it has no label"))
        elif entry.path is None:
            skipped.append(Skipped(entry.name, f"there is no photo {entry.reference}"))
        elif entry.path in photos:
            first_label = photos[entry.path].label
            skipped.append(Skipped(entry.name, f"{entry.path.name} is there already, as {first_label}"))
        else:
            photos[entry.path] = ChannelPhoto(entry.path, entry.label.strip(), group=entry.group.strip())
    if not photos:
        first = f" ({skipped[0].name}: {skipped[0].reason})" if skipped else ""
        raise DatasetError(f"{source} names no photo that is there{first}")
    said = label_notes(entry.label for entry in entries if isinstance(entry, Entry) and entry.label.strip())
    return Listing(str(source), tuple(photos.values()), tuple(skipped), (*notes, *said))


def find_photo(folder: Path, reference: str) -> Path | None:
    """The photo that a file in `folder` means: a relative path, or an address of which a tail lies here."""
    parts = PurePosixPath(unquote(urlsplit(reference).path) if "://" in reference else reference).parts
    tails = range(1 if "://" in reference and len(parts) > 1 else 0, len(parts) if "://" in reference else 1)
    for start in tails:
        for beside in BESIDE:
            path = folder.joinpath(beside, *parts[start:])
            if path.is_file():
                return path
    return None


def json_lines(manifest: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Raises: DatasetError, naming the line that is not a JSON object with a `source-ref`."""
    for number, line in enumerate(read_text(manifest).split("\n"), 1):
        if line.strip():
            yield number, _parse(line, manifest, number)


def _parse(line: str, manifest: Path, number: int) -> dict[str, Any]:
    try:
        document = json.loads(line)
    except ValueError as error:
        raise DatasetError(f"{manifest} line {number}: not JSON ({error})") from error
    if not isinstance(document, dict) or not isinstance(document.get("source-ref"), str):
        raise DatasetError(f"{manifest} line {number}: no source-ref")
    return document


def read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not UTF-8: {error}") from error
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error


def read_json(path: Path) -> Any:
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(f"{path} is not JSON: {error}") from error


def photo_set(listing: Listing) -> PhotoSet:
    """The photos opened and hashed; those that cannot be read are left out and said so."""
    photos, unreadable = read_photos((photo.path, photo.label, photo.group) for photo in listing.photos)
    found = {photo.label for photo in photos}
    lost = sorted({photo.label for photo in listing.photos} - found)
    notes = (*listing.notes, *(f"class {label} is left out: it has no readable photo" for label in lost))
    report = ImportReport(listing.source, len(photos), (*listing.skipped, *unreadable), notes)
    return PhotoSet(tuple(sorted(found, key=label_order)), tuple(photos), report)


def label_order(label: str) -> tuple[int, int, str]:
    """Counts by their value, before names in the order of the alphabet."""
    return (0, int(label), label) if is_count(label) else (1, 0, label)
