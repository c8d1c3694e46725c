"""Files that are whole after a kill -9 and after a power cut: the old one or the new one, never a half."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any, Dict


def write_whole(path: Path, data: bytes) -> None:
    """Raises: OSError; what stood under `path` is then still there."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    except OSError:
        # On a full disk half a file is in everybody's way.
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    sync_folder(path.parent)


def write_json(path: Path, document: Dict[str, Any]) -> None:
    """Raises: OSError."""
    write_whole(path, json.dumps(document, sort_keys=True).encode())


def read_json(path: Path) -> Dict[str, Any]:
    """Empty when there is no such file, or when it holds anything else than an object."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def sync_folder(folder: Path) -> None:
    """Names in a folder reach the disk with the folder, not with the file."""
    descriptor = os.open(str(folder), os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
