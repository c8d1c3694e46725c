"""Reduced decoding of large JPEGs: how much faster, and whether the answer stays.

    python -m benchmarks.decoding --model model.tar.gz --photos photos/ [--count 200]

Photos are enlarged to 12 megapixels and saved again at quality 90 (at their own size nothing is reduced), then opened
twice, in turn: whole, and as the runtime opens them for this model's input. Both are classified.
"""

from __future__ import annotations

import argparse
import io
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from benchmarks.photos import jpeg
from device.runtime.artifact import unpack
from device.runtime.decision import ClassificationDecision
from device.runtime.image import open_image
from device.runtime.predictor import Predictor

AIM_RATIO, AIM_SAME = 4.0, 0.99
MEGAPIXELS = 12
QUALITY = 90
WARM_UP = 2


@dataclass(frozen=True)
class Compared:
    """Milliseconds of this thread's processor time, which other programs lengthen less than the clock's."""

    whole_ms: float
    reduced_ms: float
    is_same: bool
    difference: float


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decoding", description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="model.tar.gz of a classifier")
    parser.add_argument("--photos", type=Path, required=True, help="a folder of JPEGs, at any depth")
    parser.add_argument("--count", type=int, default=200)
    options = parser.parse_args()
    paths = sorted(options.photos.rglob("*.jp*g"))
    with tempfile.TemporaryDirectory() as folder:
        unpack(options.model, Path(folder) / "model")
        predictor = Predictor.load(Path(folder) / "model", threads=1)
        found = [compare(predictor, path) for path in paths[:: max(1, len(paths) // options.count)]]
    report(found[WARM_UP:])
    return 0


def compare(predictor: Predictor, path: Path) -> Compared:
    photo = enlarged(path)
    whole, whole_ms = timed(lambda: open_image(photo))
    reduced, reduced_ms = timed(lambda: open_image(photo, predictor.manifest.input))
    answers = [decided(predictor, image) for image in (whole, reduced)]
    return Compared(
        whole_ms=whole_ms,
        reduced_ms=reduced_ms,
        is_same=answers[0].label == answers[1].label,
        difference=max(abs(value - answers[1].probabilities[name]) for name, value in answers[0].probabilities.items()),
    )


def enlarged(path: Path) -> bytes:
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        factor = (MEGAPIXELS * 1e6 / (image.width * image.height)) ** 0.5
        size = (round(image.width * factor), round(image.height * factor))
        return jpeg(image.convert("RGB").resize(size, Image.Resampling.BICUBIC), QUALITY)


def timed(work: Callable[[], Image.Image]) -> tuple[Image.Image, float]:
    began_s = time.thread_time()
    return work(), (time.thread_time() - began_s) * 1000


def decided(predictor: Predictor, image: Image.Image) -> ClassificationDecision:
    result = predictor.predict_image(image).result
    assert isinstance(result, ClassificationDecision)
    return result


def report(found: list[Compared]) -> None:
    whole, reduced = (statistics.median(getattr(each, name) for each in found) for name in ("whole_ms", "reduced_ms"))
    ratio = statistics.median(each.whole_ms / each.reduced_ms for each in found)
    same = sum(each.is_same for each in found) / len(found)
    print(f"{len(found)} photos of {MEGAPIXELS} megapixels, quality {QUALITY}")
    print(
        f"decoding, processor ms: whole {whole:.1f}, reduced {reduced:.1f}: {ratio:.1f} times faster (aim {AIM_RATIO})"
    )
    largest = max(each.difference for each in found)
    print(f"same label: {same:.4f} (aim {AIM_SAME}); largest difference of a probability: {largest:.3f}")


if __name__ == "__main__":
    sys.exit(main())
