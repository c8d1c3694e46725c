"""Models behind endpoints: real networks answer, in this process or behind our own SageMaker server."""

from __future__ import annotations

import hashlib
import io
import json
import time
from pathlib import Path
from typing import Any

from PIL import Image

from chalicelib.adapters.aws.invocation import Invocation
from chalicelib.adapters.aws.sagemaker_runtime import SageMakerRuntime
from chalicelib.adapters.embedded.folder_blobs import FolderBlobs
from chalicelib.domain.inference import ServedModel, Task
from chalicelib.domain.model import artifact_name
from chalicelib.domain.ports import BlobStore
from device.runtime.artifact import pack
from device.runtime.image_errors import InvalidImageError
from device.runtime.predictor import Predictor
from tests.integration.sagemaker_server import Asked, Reply, SageMakerServer, Script, answer, container_error

ENDPOINT = "binsight-classify-abc"


def folder_blobs(tmp_path: Path) -> FolderBlobs:
    return FolderBlobs(tmp_path / "files", "http://127.0.0.1:1", b"k" * 32, time.time)


def served_model(folder: Path, blobs: BlobStore, container: str | None = None) -> ServedModel:
    """The model in `folder`, its artifact stored, as an endpoint serves it."""
    archive = folder.parent / f"{folder.name}.tar.gz"
    pack(folder, archive)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    blobs.put(artifact_name(digest), archive)
    manifest = json.loads((folder / "manifest.json").read_text())
    return ServedModel(
        endpoint=ENDPOINT,
        model_id=f"{manifest['name']}-1",
        version=1,
        digest=digest,
        task=Task(manifest["task"]),
        container=container or manifest["container"],
        manifest=manifest,
    )


def binsight_container(predictor: Predictor) -> Script:
    """What our container answers, by the runtime that is in it."""

    def serve(asked: Asked) -> Reply:
        try:
            found = predictor.predict(asked.body)
        except InvalidImageError as error:
            return container_error(400, json.dumps({"reason": error.reason, "detail": str(error)}))
        return answer({"answer": found.result.to_json(), "timings_ms": dict(found.timings_ms), "cold": False})

    return serve


def built_in_classifier(predictor: Predictor) -> Script:
    return lambda asked: answer(list(predictor.predict_image(decoded(asked)).probabilities))


def built_in_detector(predictor: Predictor) -> Script:
    def serve(asked: Asked) -> Reply:
        boxes = predictor.predict_image(decoded(asked)).boxes
        rows = [
            [each.label_index, each.score, each.box.xmin, each.box.ymin, each.box.xmax, each.box.ymax] for each in boxes
        ]
        return answer({"prediction": rows})

    return serve


def decoded(asked: Asked) -> Image.Image:
    return Image.open(io.BytesIO(asked.body)).convert("RGB")


def sagemaker_runtime(server: SageMakerServer, blobs: BlobStore, **options: Any) -> SageMakerRuntime:
    """Only its predictions and proofs work: it makes no endpoints."""
    return SageMakerRuntime(None, None, Invocation(server.client_for, **options), blobs)  # type: ignore[arg-type]
