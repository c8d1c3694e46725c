"""ArtifactInspector where no engine is at hand: everything is checked but the network's answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from chalicelib.adapters.aws.artifact_stream import ReadArtifact, read_artifact
from chalicelib.domain.errors import InvalidArtifactError
from chalicelib.domain.manifest import checked_manifest
from chalicelib.domain.ports import ArtifactInspector, BlobStore, InspectedArtifact
from device.runtime.manifest import MANIFEST_FILE, Manifest, ManifestError, parse_manifest


class StreamingInspector(ArtifactInspector):
    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    def inspect(self, name: str, sha256: str) -> InspectedArtifact:
        """`proved` is False: the endpoint answers the artifact's own photo before any traffic goes there."""
        with self._blobs.open(name) as stream:
            artifact = read_artifact(stream, keep=lambda member: member == MANIFEST_FILE)
        if artifact.digest != sha256:
            raise InvalidArtifactError(f"The artifact's SHA-256 is {artifact.digest}, and {sha256} was announced.")
        document = checked_manifest(_document(artifact.content(MANIFEST_FILE)))
        _check_files(artifact, _readable(document))
        return InspectedArtifact(artifact.digest, artifact.size_bytes, document, proved=False)


def _document(content: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(content, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidArtifactError(f"{MANIFEST_FILE} is not JSON ({error}); package the model again.") from error
    if not isinstance(document, dict):
        raise InvalidArtifactError(f"{MANIFEST_FILE} is no JSON object; package the model again.")
    return document


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _readable(document: Mapping[str, Any]) -> Manifest:
    """As cameras and endpoints read it."""
    try:
        return parse_manifest(document)
    except ManifestError as error:
        raise InvalidArtifactError(f"{MANIFEST_FILE}, {error}.") from error


def _check_files(artifact: ReadArtifact, manifest: Manifest) -> None:
    found = {
        name: (member.sha256, member.size_bytes) for name, member in artifact.members.items() if name != MANIFEST_FILE
    }
    named = {entry.name: (entry.sha256, entry.bytes) for entry in manifest.files}
    if missing := sorted(named.keys() - found.keys()):
        raise InvalidArtifactError(f"The manifest names {', '.join(missing)}, which the artifact does not hold.")
    if foreign := sorted(found.keys() - named.keys()):
        raise InvalidArtifactError(f"The artifact holds {', '.join(foreign)}, which its manifest does not name.")
    if changed := sorted(name for name in named if named[name] != found[name]):
        raise InvalidArtifactError(f"{', '.join(changed)}: not the file that the manifest names, its SHA-256 differs.")
