"""The manifest of a model: what its input is, what its outputs mean, when it knows and when it does not.

Written by training, read by everything else; nobody types labels, sizes or thresholds twice.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from device.runtime.document import DocumentError
from device.runtime.manifest_fields import read_document
from device.runtime.manifest_types import (
    MANIFEST_FILE,
    ONNX_FILE,
    SCHEMA,
    SELF_TEST_FILE,
    Decision,
    Detection,
    FileEntry,
    InputSpec,
    Label,
    Manifest,
    ManifestError,
    ManifestFromTheFutureError,
    Outputs,
    References,
    Scene,
)

__all__ = [
    "MANIFEST_FILE",
    "ONNX_FILE",
    "SCHEMA",
    "SELF_TEST_FILE",
    "Decision",
    "Detection",
    "FileEntry",
    "InputSpec",
    "Label",
    "Manifest",
    "ManifestError",
    "ManifestFromTheFutureError",
    "Outputs",
    "References",
    "Scene",
    "parse_manifest",
    "read_manifest",
]


def parse_manifest(document: Any) -> Manifest:
    """Raises: ManifestError, which names the field; ManifestFromTheFutureError for a larger schema."""
    try:
        return read_document(document)
    except DocumentError as error:
        raise ManifestError(str(error)) from error


def read_manifest(path: Path) -> Manifest:
    """path: manifest.json, or the folder that holds it. Raises: ManifestError."""
    file = path / MANIFEST_FILE if path.is_dir() else path
    return parse_manifest(_load(file))


def _load(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ManifestError("%s: there is no such file; is this the folder of a model?" % file) from None
    except (ValueError, RecursionError) as error:
        raise ManifestError("%s: is not JSON (%s); package the model again" % (file, error)) from error
