"""What importers of boxes share: photos with boxes in pixels to one set, and boxes read as classes or counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from device.runtime.image_errors import InvalidImageError
from device.runtime.image_header import read_header
from training.datasets.channel import ChannelPhoto
from training.datasets.labels import alike_notes, label_notes
from training.datasets.listing import Listing
from training.datasets.photo_set import DatasetError, ImportReport, Skipped
from training.detection.channel import BoxedPhoto, BoxedSet, Row, clipped_row

SHAPE_TOLERANCE = 0.03  # of the photo's width to its height
SIDEWAYS = 5  # from this EXIF orientation on, width and height change places when the photo is shown


@dataclass(frozen=True)
class DrawnBox:
    """`label` as its file has it; the rest in pixels of the photo."""

    label: str
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class DrawnPhoto:
    path: Path
    size_px: tuple[int, int]
    boxes: tuple[DrawnBox, ...]


def shown_size(path: Path) -> tuple[int, int]:
    """Width and height as people see it when they draw boxes. Raises: DatasetError."""
    try:
        header = read_header(path.read_bytes())
    except (InvalidImageError, OSError) as error:
        raise DatasetError(f"{path.name} cannot be read: {error}") from error
    if header.orientation >= SIDEWAYS:
        return header.height, header.width
    return header.width, header.height


def boxed_set(
    source: Path,
    drawn: Sequence[DrawnPhoto],
    skipped: Sequence[Skipped],
    names: Sequence[str] = (),
    labels: Sequence[str] | None = None,
    notes: Sequence[str] = (),
) -> BoxedSet:
    """`names`: the classes in the file's own order; without them they are in the order of the alphabet. `labels`: the
    classes of the model that is evaluated. Raises: DatasetError, for no photo, or a class that is not among `labels`.
    """
    if not drawn:
        first = f" ({skipped[0].name}: {skipped[0].reason})" if skipped else ""
        raise DatasetError(f"{source} names no photo that is there{first}")
    raw = [box.label for photo in drawn for box in photo.boxes if box.label.strip()]
    used = {label.strip() for label in raw}
    classes = tuple(labels or dict.fromkeys(name.strip() for name in names if name.strip()) or sorted(used))
    strangers = sorted(used - set(classes))
    if strangers:
        raise DatasetError(f"{source}: class {strangers[0]} is none of {', '.join(classes)}")
    named = dict(enumerate(classes))
    photos, outside = [], []
    for photo in drawn:
        rows, left_out = _rows(photo, classes)
        photos.append(BoxedPhoto(photo.path, photo.size_px, rows, named))
        outside += left_out
    unused = [f"class {name} has no box" for name in classes if name not in used]
    report = ImportReport(str(source), len(photos), (*skipped, *outside), (*notes, *label_notes(raw), *unused))
    return BoxedSet(classes, tuple(photos), report)


def _rows(photo: DrawnPhoto, classes: Sequence[str]) -> tuple[tuple[Row, ...], list[Skipped]]:
    rows, outside = [], []
    for box in photo.boxes:
        if not box.label.strip():
            outside.append(Skipped(photo.path.name, f"a box without a class: {box}"))
            continue
        row = clipped_row({**vars(box), "class_id": classes.index(box.label.strip())}, *photo.size_px)
        if row is None:
            outside.append(Skipped(photo.path.name, f"a box outside the photo: {box}"))
        else:
            rows.append(row)
    return tuple(rows), outside


def as_classes(boxed: BoxedSet) -> Listing:
    """Photos whose boxes are all of one class are photos of that class; the others are left out and said so."""
    photos, skipped = [], list(boxed.report.skipped)
    for photo in boxed.photos:
        found = sorted({boxed.labels[int(row[0])] for row in photo.rows})
        if len(found) == 1:
            photos.append(ChannelPhoto(photo.path, found[0], group=_group(photo)))
        else:
            skipped.append(Skipped(photo.path.name, f"it has boxes of {len(found)} classes: {', '.join(found)}"))
    if not photos:
        raise DatasetError(f"{boxed.report.source} has no photo with boxes of one class")
    return Listing(boxed.report.source, tuple(photos), tuple(skipped), boxed.report.notes)


def as_counts(boxed: BoxedSet) -> Listing:
    """As many objects as boxes."""
    photos = tuple(ChannelPhoto(photo.path, str(len(photo.rows)), group=_group(photo)) for photo in boxed.photos)
    return Listing(boxed.report.source, photos, boxed.report.skipped, boxed.report.notes)


def _group(photo: BoxedPhoto) -> str:
    """Of photos that are not split by time a sequence is a group like any other."""
    return photo.group or photo.named_sequence


def readable_only(boxed: BoxedSet) -> BoxedSet:
    """Without the photos that are not there, are none, or are not those that boxes were drawn on, which are named.

    Raises: DatasetError, when none is left.
    """
    photos, skipped = [], list(boxed.report.skipped)
    for photo in boxed.photos:
        try:
            _require_shape(photo)
            photos.append(photo)
        except DatasetError as error:
            skipped.append(Skipped(str(photo.path), str(error)))
    if not photos:
        raise DatasetError(f"{boxed.report.source} names no photo that can be read ({skipped[-1].reason})")
    report = ImportReport(boxed.report.source, len(photos), tuple(skipped), boxed.report.notes)
    return BoxedSet(boxed.labels, tuple(photos), report)


def _require_shape(photo: BoxedPhoto) -> None:
    """A photo may have been made smaller since; one that is turned or cut has its boxes in other places."""
    (width, height), (drawn_width, drawn_height) = shown_size(photo.path), photo.size_px
    if abs(width * drawn_height - height * drawn_width) > SHAPE_TOLERANCE * width * drawn_height:
        raise DatasetError(f"it is {width} x {height}, its boxes were drawn on {drawn_width} x {drawn_height}")


def with_hints(boxed: BoxedSet) -> BoxedSet:
    """The same set; its report also says which names may be one class."""
    report = boxed.report
    notes = tuple(dict.fromkeys([*report.notes, *alike_notes(boxed.labels), *_empty_classes(boxed)]))
    return BoxedSet(boxed.labels, boxed.photos, ImportReport(report.source, report.read, report.skipped, notes))


def _empty_classes(boxed: BoxedSet) -> list[str]:
    counts: Mapping[str, int] = Counter(boxed.labels[int(row[0])] for photo in boxed.photos for row in photo.rows)
    return [f"class {name} has no box" for name in boxed.labels if not counts[name]]
