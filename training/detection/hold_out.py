"""A side or a place that training never sees: how well a model does on what is new, and not merely later.

`python -m training.detection.hold_out --data FRAMES --sequence 2000_back --out DIR` writes DIR/rest, to train on, and
DIR/held-out, to evaluate the model on afterwards.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from training.datasets.photo_set import DatasetError
from training.detection.channel import read_boxed_photos, write_boxed_channel
from training.detection.split import by_sequence, hold_out_sequence


def hold_out(data: Path, sequence: str, out: Path, labels: Sequence[str] | None = None) -> tuple[int, int]:
    """Numbers of frames in rest and held-out. Raises: DatasetError, for a sequence that is not there."""
    boxed = read_boxed_photos(data, labels)
    rest, held_out = hold_out_sequence(boxed.photos, sequence)
    if not held_out:
        raise DatasetError(f"there is no sequence {sequence}, only {', '.join(by_sequence(boxed.photos))}")
    shutil.rmtree(out, ignore_errors=True)
    write_boxed_channel(rest, boxed.labels, out / "rest")
    write_boxed_channel(held_out, boxed.labels, out / "held-out")
    return len(rest), len(held_out)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m training.detection.hold_out", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a manifest with boxes, or its folder")
    parser.add_argument("--sequence", required=True, help="what the photos' names begin with, without the number")
    parser.add_argument("--labels", help="names of the classes, between commas, where the manifest has no class map")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    labels = options.labels.split(",") if options.labels else None
    try:
        rest, held_out = hold_out(options.data, options.sequence, options.out, labels)
    except (DatasetError, OSError) as error:
        print(f"nothing held out: {error}", file=sys.stderr)
        return 1
    print(f"{rest} frames in {options.out / 'rest'}, {held_out} in {options.out / 'held-out'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
