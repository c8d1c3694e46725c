"""The files that SageMaker's built-in algorithms leave, and what they say of the network: read, never trusted."""

from __future__ import annotations

import json
import re
import struct
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

SYMBOL = re.compile(r"(.+)-symbol\.json")
ADOPTED = re.compile(r".+-symbol\.json|.+-\d{4}\.params|model-shapes\.json|hyperparams\.json")
PARAMS_MAGIC = 0x112  # what MXNet's files of arrays begin with
INPUT = "data"
SHAPES_FILE, HYPERPARAMETERS_FILE = "model-shapes.json", "hyperparams.json"


class AdoptionError(ValueError):
    """The artifact cannot be adopted; the message says what does not fit."""


def take_files(artifact: Path, folder: Path) -> None:
    """Those that MXNet needs, flat, whatever else lies there."""
    if artifact.is_dir():
        for path in artifact.iterdir():
            if ADOPTED.fullmatch(path.name):
                (folder / path.name).write_bytes(path.read_bytes())
        return
    try:
        with tarfile.open(artifact) as archive:
            for member in archive:
                name = Path(member.name).name
                content = archive.extractfile(member) if member.isfile() and ADOPTED.fullmatch(name) else None
                if content is not None:
                    (folder / name).write_bytes(content.read())
    except (tarfile.TarError, EOFError) as error:
        raise AdoptionError(f"{artifact} is no whole archive: {error}") from error


def check_files(folder: Path) -> dict[str, Any]:
    """The symbol of the one network there, its weights beside it."""
    prefixes = [match[1] for path in sorted(folder.iterdir()) if (match := SYMBOL.fullmatch(path.name))]
    if len(prefixes) != 1:
        raise AdoptionError(f"there is not one -symbol.json but {len(prefixes)}: is this a built-in algorithm's model?")
    weights = sorted(folder.glob(f"{prefixes[0]}-[0-9][0-9][0-9][0-9].params"))
    if len(weights) != 1:
        raise AdoptionError(f"beside {prefixes[0]}-symbol.json there is not one .params file but {len(weights)}")
    with weights[0].open("rb") as stream:
        if stream.read(8) != struct.pack("<Q", PARAMS_MAGIC):
            raise AdoptionError(f"{weights[0].name} is no file of MXNet's weights")
    try:
        symbol = json.loads((folder / f"{prefixes[0]}-symbol.json").read_text(encoding="utf-8"))
        names = {node["name"] for node in symbol["nodes"]}
    except (ValueError, KeyError, TypeError) as error:
        raise AdoptionError(f"{prefixes[0]}-symbol.json is no MXNet symbol ({error!r})") from error
    if INPUT not in names:
        raise AdoptionError(f"the network has no input '{INPUT}'")
    return dict(symbol)


def check_classes(symbol: Mapping[str, Any], folder: Path, task: str, labels: Sequence[str]) -> None:
    found = detector_classes(folder) if task == "detect" else last_layer(symbol)
    is_detector = any("MultiBox" in node["op"] for node in symbol["nodes"])
    if is_detector != (task == "detect"):
        raise AdoptionError(f"task {task}: the network {'finds boxes' if is_detector else 'finds no boxes'}")
    if found is not None and found != len(labels):
        raise AdoptionError(f"labels: the network has {found} classes, {len(labels)} were named")


def last_layer(symbol: Mapping[str, Any]) -> int | None:
    """How many values the last fully connected layer gives."""
    dense = [node for node in symbol["nodes"] if node["op"] == "FullyConnected"]
    attributes = (dense[-1].get("attrs") or dense[-1].get("param") or {}) if dense else {}
    return int(attributes["num_hidden"]) if "num_hidden" in attributes else None


def detector_classes(folder: Path) -> int | None:
    path = folder / HYPERPARAMETERS_FILE
    if not path.exists():
        return None
    try:
        return int(json.loads(path.read_text())["num_classes"])
    except (ValueError, KeyError, TypeError) as error:
        raise AdoptionError(f"{HYPERPARAMETERS_FILE} cannot be read ({error!r})") from error


def checked_size(folder: Path, given_px: int) -> int:
    """What the algorithm wrote of its input, where it did, against what was given."""
    found_px = _size_of(folder)
    if found_px is None and not given_px:
        raise AdoptionError("size: the artifact does not say it; give the pixels a side of the network's input")
    if found_px is not None and given_px and found_px != given_px:
        raise AdoptionError(f"size: the network takes {found_px} pixels a side, not {given_px}")
    return found_px or given_px


def _size_of(folder: Path) -> int | None:
    shapes, hyperparameters = folder / SHAPES_FILE, folder / HYPERPARAMETERS_FILE
    try:
        if shapes.exists():
            (shape,) = [each["shape"] for each in json.loads(shapes.read_text()) if each["name"] == INPUT]
            return int(shape[-1])
        if hyperparameters.exists():
            return int(str(json.loads(hyperparameters.read_text())["image_shape"]).rpartition(",")[2])
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise AdoptionError(f"the size of the input cannot be read ({error!r})") from error
    return None
