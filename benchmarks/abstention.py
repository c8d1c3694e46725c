"""How often a model answers, and how often it is then right, on photos unlike any it was trained on.

    python -m benchmarks.abstention --data photos/ --pretrained mobilenet_v1 --out build/abstention

One material at a time (the file names' first word) is left out of training; the model is trained, calibrated and
packaged as any other, and then asked about the material it has never seen, and about its own held-out photos.
`--elsewhere` names a folder of class folders with photos of another place, asked of every one of these models.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from device.runtime.artifact import unpack
from device.runtime.predictor import Predictor
from training.datasets.channel import ChannelPhoto, read_channel
from training.datasets.reading import PHOTO_SUFFIXES
from training.job import JobRequest, run_job
from training.predictions import predict_photos

MATERIAL = re.compile(r"[a-z]+")


@dataclass(frozen=True)
class Share:
    """Of `photos`: how many are answered (not unknown), and how many of these are right; `right` is of all."""

    left_out: str
    asked: str
    photos: int
    answered: float
    right_of_answered: float
    right: float


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.abstention", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="class folders; file names begin with the material")
    parser.add_argument("--out", type=Path, required=True, help="emptied where it holds a model of an earlier run")
    parser.add_argument("--pretrained", type=Path, help="prefix of an MXNet checkpoint; default: from scratch")
    parser.add_argument("--elsewhere", type=Path, help="class folders with photos of another place")
    parser.add_argument("--training-python", type=Path, default=Path(".venv-train/bin/python"))
    parser.add_argument("--materials", default="", help="only these, separated by commas")
    parser.add_argument("--again", action="store_true", help="measure the models that --out holds already")
    options = parser.parse_args(arguments)
    materials = [name for name in options.materials.split(",") if name] or list(spare_materials(options.data))
    found: list[Share] = []
    for material in materials:
        if not options.again:
            train_without(material, options)
        found += measure(material, options)
        report(found)
    (options.out / "abstention.json").write_text(json.dumps([asdict(share) for share in found], indent=1) + "\n")
    return 0


def spare_materials(data: Path) -> Iterator[str]:
    """Those of classes that have another one left to be trained on."""
    for folder in sorted(path for path in data.iterdir() if path.is_dir()):
        named = {material_of(path) for path in photos_in(folder)}
        yield from sorted(named) if len(named) > 1 else ()


def photos_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in PHOTO_SUFFIXES)


def material_of(path: Path) -> str:
    found = MATERIAL.match(path.name.lower())
    return found.group() if found else ""


def train_without(material: str, options: argparse.Namespace) -> None:
    data = options.out / material / "photos"
    for folder in sorted(path for path in options.data.iterdir() if path.is_dir()):
        (data / folder.name).mkdir(parents=True, exist_ok=True)
        link((path for path in photos_in(folder) if material_of(path) != material), data / folder.name)
    work = options.out / material / "work"
    run_job(JobRequest(work, options.out / material, options.training_python, data, options.pretrained))


def link(paths: Iterable[Path], folder: Path) -> None:
    for path in paths:
        target = folder / path.name
        if not target.exists():
            target.symlink_to(path.resolve())


def measure(material: str, options: argparse.Namespace) -> list[Share]:
    home = options.out / material
    folder = home / "model"
    if not options.again or not folder.exists():
        unpack(home / "model.tar.gz", folder)
    predictor = Predictor.load(folder, threads=1)
    asked = {
        "held out": read_channel(home / "work" / "ml" / "input" / "data" / "test"),
        material: [photo for photo in read_channel(options.data) if material_of(photo.path) == material],
    }
    if options.elsewhere:
        asked["elsewhere"] = read_channel(options.elsewhere)
    return [share(material, name, predictor, photos) for name, photos in asked.items()]


def share(left_out: str, asked: str, predictor: Predictor, photos: Sequence[ChannelPhoto]) -> Share:
    decided = [(each.photo.label, each.decision) for each in predict_photos(predictor, photos, asked)]
    answered = [(label, decision) for label, decision in decided if not decision.unknown]
    right = sum(label == decision.label for label, decision in answered)
    return Share(
        left_out=left_out,
        asked=asked,
        photos=len(decided),
        answered=len(answered) / len(decided),
        right_of_answered=right / max(1, len(answered)),
        right=sum(label == decision.label for label, decision in decided) / len(decided),
    )


def report(found: Sequence[Share]) -> None:
    print("\nleft out    asked of     photos  answered  right of answered  right of all")
    for each in found:
        print(
            f"{each.left_out:11s} {each.asked:11s} {each.photos:7d} {each.answered:9.3f} "
            f"{each.right_of_answered:18.3f} {each.right:13.3f}"
        )
    unseen = [each for each in found if each.asked not in ("held out", "elsewhere")]
    for name in ("answered", "right_of_answered"):
        print(f"median over the left-out materials, {name}: {statistics.median(getattr(s, name) for s in unseen):.3f}")


if __name__ == "__main__":
    sys.exit(main())
