"""From a photo set to a container layout that the training program reads: channels and hyperparameters."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from training.datasets.channel import write_channel
from training.datasets.split import Split


def prepare_layout(
    root: Path, split: Split, hyperparameters: Mapping[str, str], pretrained: Path | None = None
) -> None:
    """Anything an earlier run left under `root` is removed: channels, checkpoints and model belong together."""
    shutil.rmtree(root, ignore_errors=True)
    config = root / "input" / "config"
    config.mkdir(parents=True)
    for name, photos in split.parts().items():
        write_channel(photos, root / "input" / "data" / name)
    values = dict(hyperparameters)
    if pretrained is not None:
        values["pretrained"] = link_checkpoint(pretrained, root / "input" / "data" / "pretrained")
    (config / "hyperparameters.json").write_text(json.dumps(values, indent=2) + "\n")


def link_checkpoint(prefix: Path, folder: Path) -> str:
    """The checkpoint's files in a channel of their own; answers the prefix within it."""
    folder.mkdir(parents=True)
    files = sorted(prefix.parent.glob(f"{prefix.name}-*.params")) + [prefix.parent / f"{prefix.name}-symbol.json"]
    for path in files:
        if path.exists():
            os.symlink(path.resolve(), folder / path.name)
    return prefix.name
