"""Whether an endpoint answers the artifact's own photo as the model did when it was packaged."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from chalicelib.adapters.aws.artifact_stream import read_artifact
from chalicelib.adapters.aws.wire.reading import read_json
from chalicelib.domain.errors import BlobNotFoundError, InvalidArtifactError, ProofFailedError
from chalicelib.domain.inference import ServedModel
from chalicelib.domain.model import artifact_name
from chalicelib.domain.ports import BlobStore
from device.runtime.decision import Box, DetectedObject
from device.runtime.document import DocumentError, Section, numbers
from device.runtime.manifest import SELF_TEST_FILE, Manifest
from device.runtime.probabilities import ModelOutputError, calibrate, checked
from device.runtime.self_test import SelfTestError, check_detections, check_probabilities


def self_test_of(served: ServedModel, blobs: BlobStore) -> tuple[bytes, Section]:
    """The photo and the document it stands in, read as the artifact streams past. Raises: ProofFailedError."""
    try:
        with blobs.open(artifact_name(served.digest)) as stream:
            artifact = read_artifact(stream, keep=lambda name: name == SELF_TEST_FILE)
        if artifact.digest != served.digest:
            raise InvalidArtifactError(f"the stored artifact's SHA-256 is {artifact.digest}")
        document = Section(read_json(served.endpoint, artifact.content(SELF_TEST_FILE)))
        return base64.b64decode(document.text("image_png_base64"), validate=True), document
    except (BlobNotFoundError, InvalidArtifactError, DocumentError, binascii.Error) as error:
        raise ProofFailedError(f"Model {served.model_id} has no usable {SELF_TEST_FILE}: {error}.") from error


def compare(served: ServedModel, manifest: Manifest, answer: Mapping[str, Any], document: Section) -> None:
    """`answer` is calibrated, what the document expects is as the network gave it. Raises: ProofFailedError."""
    try:
        if manifest.task == "detect":
            check_detections([_detected(each) for each in answer["detections"]], document)
        else:
            answered = [answer["probabilities"][name] for name in manifest.label_names]
            check_probabilities(answered, _calibrated(document, manifest))
    except (SelfTestError, DocumentError, ModelOutputError) as error:
        raise ProofFailedError(
            f"Endpoint '{served.endpoint}' does not answer the test photo of model {served.model_id}: {error}."
        ) from error


def _calibrated(document: Section, manifest: Manifest) -> Section:
    expected = numbers(document.required("probabilities"), "probabilities")
    raw = checked(expected, len(manifest.labels))
    return Section({**document.fields, "probabilities": calibrate(raw, manifest.decision.temperature)})


def _detected(item: Mapping[str, Any]) -> DetectedObject:
    box, box_px = (Box(*(item[name][side] for side in ("xmin", "ymin", "xmax", "ymax"))) for name in ("box", "box_px"))
    return DetectedObject(item["label"], item["confidence"], box, box_px)
