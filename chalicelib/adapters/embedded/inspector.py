"""ArtifactInspector where the runtime is at hand: unpack, verify every file, load, answer the self-test photo."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chalicelib.domain.errors import InvalidArtifactError
from chalicelib.domain.manifest import checked_manifest
from chalicelib.domain.ports import ArtifactInspector, BlobStore, InspectedArtifact
from device.runtime.artifact import ArtifactError, unpack
from device.runtime.engines import EngineError
from device.runtime.manifest import ManifestError
from device.runtime.predictor import Predictor
from device.runtime.self_test import SelfTestError


class LoadingInspector(ArtifactInspector):
    def __init__(self, blobs: BlobStore, work: Path, engine: str = "onnxruntime") -> None:
        self._blobs = blobs
        self._work = work
        self._engine = engine

    def inspect(self, name: str, sha256: str) -> InspectedArtifact:
        self._work.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._work, prefix="inspect-") as folder:
            archive = Path(folder) / "model.tar.gz"
            self._blobs.fetch(name, archive)
            try:
                manifest = unpack(archive, Path(folder) / "model", sha256)
                Predictor.load(Path(folder) / "model", engine=self._engine).self_test()
            except (ArtifactError, ManifestError, EngineError, SelfTestError) as error:
                raise InvalidArtifactError(f"The artifact cannot be used: {error}") from error
            document = checked_manifest(manifest.raw)
            _check_finite(document)
            return InspectedArtifact(sha256, archive.stat().st_size, document, proved=True)


def _check_finite(document: Mapping[str, Any]) -> None:
    # Python reads NaN, and the members that nobody looks into (metrics) would hand it on to every caller.
    try:
        json.dumps(document, allow_nan=False)
    except ValueError as error:
        raise InvalidArtifactError("manifest.json: NaN and infinity are not JSON; package the model again.") from error
