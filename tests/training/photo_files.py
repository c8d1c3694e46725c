"""Small photos, each different from the others, for the tests of importers and writers."""

from pathlib import Path

import numpy as np
from PIL import Image


def write_photo(path: Path, seed: int = 0, width: int = 64, height: int = 48) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(cells).resize((width, height), Image.Resampling.BICUBIC).save(path)
    return path
