"""A part of prepared channels: fewer photos to train on, the same to choose and to measure on."""

import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from training.datasets.channel import MANIFEST_NAME, channel_lines

LEAST_PER_LABEL = 2


def write_subset(whole: Path, channels: Path, share: float, seed: int = 0) -> int:
    """Channels in `channels` with `share` of the training photos of `whole`; how many those are.

    Raises: DatasetError, where `whole` has no such channels.
    """
    lines = choose_lines(channel_lines(whole / "train"), share, seed)
    (channels / "train").mkdir(parents=True)
    (channels / "train" / "photos").symlink_to((whole / "train" / "photos").resolve(), target_is_directory=True)
    (channels / "train" / MANIFEST_NAME).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    for name in ("validation", "test"):
        (channels / name).symlink_to((whole / name).resolve(), target_is_directory=True)
    return len(lines)


def choose_lines(lines: Sequence[str], share: float, seed: int) -> list[str]:
    """The share of each label's lines, by a hash of the line: a smaller share is a part of every larger one."""
    by_label: dict[str, list[str]] = defaultdict(list)
    for line in lines:
        by_label[_label(line)].append(line)
    chosen = set[str]()
    for members in by_label.values():
        members.sort(key=lambda line: hashlib.sha256(f"{seed} {line}".encode()).digest())
        chosen.update(members[: max(LEAST_PER_LABEL, math.ceil(share * len(members)))])
    return [line for line in lines if line in chosen]


def _label(line: str) -> str:
    """'' for a frame with boxes, which may hold any."""
    return str(json.loads(line).get("label-metadata", {}).get("class-name", ""))
