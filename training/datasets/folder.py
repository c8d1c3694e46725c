"""Importer: a folder with one folder of photos per class."""

from pathlib import Path

from training.datasets.photo_set import DatasetError, ImportReport, PhotoSet, Skipped
from training.datasets.reading import PHOTO_SUFFIXES, read_photos


def import_folder(folder: Path) -> PhotoSet:
    """Raises: DatasetError, where there is no such folder, or no folder of photos in it."""
    if not folder.is_dir():
        raise DatasetError(f"there is no folder {folder}")
    classes = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not classes:
        raise DatasetError(
            f"{folder} has no folders in it: put the photos of each class in a folder named after the class"
        )
    named = [(path, class_folder.name.strip()) for class_folder in classes for path in _files(class_folder)]
    labelled = [(path, label) for path, label in named if _is_photo(path)]
    strays = [Skipped(str(path), "not a .jpg, .png or .webp file") for path, _ in named if not _is_photo(path)]
    strays += [Skipped(str(path), "not in a class folder") for path in _files(folder)]
    photos, unreadable = read_photos(labelled)
    labels = tuple(sorted({photo.label for photo in photos}))
    empty = [label for label in sorted({path.name.strip() for path in classes}) if label not in labels]
    notes = tuple(f"class {label} is left out: it has no readable photo" for label in empty)
    report = ImportReport(str(folder), len(photos), tuple(strays + unreadable), notes)
    return PhotoSet(labels, tuple(photos), report)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))


def _is_photo(path: Path) -> bool:
    return path.suffix.lower() in PHOTO_SUFFIXES
