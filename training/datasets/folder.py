"""Importer: a folder with one folder of photos per class."""

from pathlib import Path

from training.datasets.channel import ChannelPhoto
from training.datasets.labels import label_notes
from training.datasets.listing import Listing, photo_set
from training.datasets.photo_set import DatasetError, PhotoSet, Skipped
from training.datasets.reading import PHOTO_SUFFIXES


def import_folder(folder: Path) -> PhotoSet:
    """Raises: DatasetError, where there is no such folder, or no folder of photos in it."""
    return photo_set(list_folder(folder))


def list_folder(folder: Path) -> Listing:
    """Names of folders are the labels. Raises: DatasetError, as above."""
    if not folder.is_dir():
        raise DatasetError(f"there is no folder {folder}")
    classes = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not classes:
        raise DatasetError(
            f"{folder} has no folders in it: put the photos of each class in a folder named after the class"
        )
    named = [(path, class_folder.name) for class_folder in classes for path in _files(class_folder)]
    photos = tuple(ChannelPhoto(path, label.strip()) for path, label in named if _is_photo(path))
    strays = [Skipped(str(path), "not a .jpg, .png or .webp file") for path, _ in named if not _is_photo(path)]
    strays += [Skipped(str(path), "in a folder below the class folder") for each in classes for path in _below(each)]
    strays += [Skipped(str(path), "not in a class folder") for path in _files(folder)]
    empty = sorted({path.name.strip() for path in classes} - {photo.label for photo in photos})
    notes = [f"class {label} is left out: it has no photo" for label in empty]
    return Listing(str(folder), photos, tuple(strays), (*notes, *label_notes(label for _, label in named)))


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))


def _below(class_folder: Path) -> list[Path]:
    found = (path for path in class_folder.rglob("*") if path.parent != class_folder and path.is_file())
    return sorted(path for path in found if _is_photo(path))


def _is_photo(path: Path) -> bool:
    return path.suffix.lower() in PHOTO_SUFFIXES
