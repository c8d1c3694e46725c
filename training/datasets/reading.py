"""Reading one photo for an importer: bytes to content hash and perceptual hash, or the reason why not."""

import hashlib
import warnings
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from training.datasets.photo_set import Photo, Skipped
from training.progress import Progress

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
HASH_SIDE = 16


def perceptual_hash(image: Image.Image) -> int:
    """256 bits: is each cell of a 16 x 17 grey thumbnail brighter than its left neighbour? Survives re-encoding."""
    grey = image.convert("L").resize((HASH_SIDE + 1, HASH_SIDE), Image.Resampling.BILINEAR)
    cells = np.asarray(grey, dtype=np.int16)
    return int.from_bytes(np.packbits(cells[:, 1:] > cells[:, :-1]).tobytes(), "big")


def read_photo(path: Path, label: str, group: str = "") -> Photo | Skipped:
    try:
        content = path.read_bytes()
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("ignore")
            image.draft("RGB", (160, 160))
            image.load()
            bits = perceptual_hash(image)
    except (UnidentifiedImageError, Image.DecompressionBombError):
        return Skipped(str(path), "not an image that can be read" if path.stat().st_size else "the file is empty")
    except (OSError, SyntaxError, ValueError) as error:
        return Skipped(str(path), f"damaged: {error}")
    return Photo(path, label, hashlib.sha256(content).hexdigest(), bits, group)


def read_photos(labelled: Iterable[tuple[Path, str, str]], threads: int = 2) -> tuple[list[Photo], list[Skipped]]:
    """`labelled`: path, label and group of each."""
    pairs = list(labelled)
    progress, outcomes = Progress("reading", len(pairs), "photos"), []
    with ThreadPoolExecutor(threads) as pool:
        for outcome in pool.map(lambda pair: read_photo(*pair), pairs):
            outcomes.append(outcome)
            progress.advance(1)
    photos = [outcome for outcome in outcomes if isinstance(outcome, Photo)]
    return photos, [outcome for outcome in outcomes if isinstance(outcome, Skipped)]
