"""What the training program reads beside its channels of photos: hyperparameters, and a checkpoint to begin from."""

import json
from collections.abc import Mapping
from pathlib import Path


class CheckpointMissingError(FileNotFoundError):
    """There is no checkpoint under a prefix."""


def write_hyperparameters(root: Path, hyperparameters: Mapping[str, str], pretrained: Path | None = None) -> None:
    """Into the layout `root`, whose channels are written already; a checkpoint's prefix becomes a channel, too."""
    config = root / "input" / "config"
    config.mkdir(parents=True)
    values = dict(hyperparameters)
    if pretrained is not None:
        values["pretrained"] = link_checkpoint(pretrained, root / "input" / "data" / "pretrained")
    (config / "hyperparameters.json").write_text(json.dumps(values, indent=2) + "\n")


def link_checkpoint(prefix: Path, folder: Path) -> str:
    """The checkpoint's files in a channel of their own; answers the prefix within it."""
    folder.mkdir(parents=True)
    for path in checkpoint_files(prefix):
        (folder / path.name).symlink_to(path.resolve())
    return prefix.name


def checkpoint_files(prefix: Path | None) -> list[Path]:
    """Symbol and weights; none without a prefix. Raises: CheckpointMissingError."""
    if prefix is None:
        return []
    symbol = prefix.with_name(f"{prefix.name}-symbol.json")
    weights = sorted(prefix.parent.glob(f"{prefix.name}-*.params"))
    if not symbol.is_file() or not weights:
        raise CheckpointMissingError(
            f"{prefix} names no MXNet checkpoint: {prefix.parent} needs {symbol.name} and {prefix.name}-0000.params"
        )
    return [symbol, *weights]
