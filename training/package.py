"""From what training wrote to model.tar.gz: manifest, self-test vector, and the check that the engines agree."""

import base64
import io
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from device.runtime.artifact import describe_files, pack
from device.runtime.decision import DetectionDecision
from device.runtime.manifest import MANIFEST_FILE, SCHEMA, SELF_TEST_FILE, Manifest
from device.runtime.predictor import Answer, Predictor
from device.runtime.self_test import self_test_detections
from training.calibrate import REFERENCES_FILE, Calibration

SERVED_FILES = ("model.onnx", "model-symbol.json", "model-0000.params")
ANSWERS_FILE = "mxnet-answers.npz"
FACTS_FILE = "training.json"
ANSWER_TOLERANCE = 1e-3
SELF_TEST_TOLERANCE = 0.02  # half-precision engines included
CLEAR_OF_THRESHOLD = 2 * SELF_TEST_TOLERANCE
BIN_COLORS = {"compost": [0, 255, 0], "recycling": [0, 0, 255], "landfill": [255, 0, 0]}


class PackagingError(RuntimeError):
    """The model cannot be packaged; the message says why."""


@dataclass(frozen=True)
class Provenance:
    """What the manifest says of where the model comes from."""

    name: str
    dataset_fingerprint: str
    job: str
    code_revision: str
    photos: Mapping[str, int]
    sources: Sequence[Mapping[str, str]] = ()
    program: str = "training/train.py"


@dataclass(frozen=True)
class Draft:
    """A model in a folder of its own, its manifest written anew whenever more is known of it."""

    folder: Path
    facts: Mapping[str, Any]
    provenance: Provenance
    parts: dict[str, Any] = field(default_factory=dict)

    def write(self, **parts: Any) -> None:
        self.parts.update(parts)
        document = {**manifest_of(self.facts, self.provenance, self.folder), **self.parts}
        (self.folder / MANIFEST_FILE).write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")

    @contextmanager
    def predictor(self) -> Iterator[Predictor]:
        predictor = Predictor.load(self.folder, "onnxruntime", threads=1)
        try:
            yield predictor
        finally:
            predictor.close()


def begin(trained: Path, folder: Path, provenance: Provenance) -> Draft:
    """Raises: PackagingError, when `trained` is not a trained model, or its ONNX file answers otherwise than MXNet."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in SERVED_FILES:
        if not (trained / name).exists():
            raise PackagingError(f"{trained} has no {name}: was training finished?")
        shutil.copyfile(trained / name, folder / name)
    draft = Draft(folder, json.loads((trained / FACTS_FILE).read_text()), provenance)
    draft.write()
    check_answers(draft, trained / ANSWERS_FILE)
    return draft


def manifest_of(facts: Mapping[str, Any], provenance: Provenance, folder: Path) -> dict[str, Any]:
    values = facts.get("values", {})
    return {
        "schema": SCHEMA,
        "name": provenance.name,
        "task": facts["task"],
        "labels": [
            {"name": label, "color": BIN_COLORS.get(label), "value": values.get(label)} for label in facts["labels"]
        ],
        "input": facts["input"],
        "outputs": facts["outputs"],
        "engines": engines_of(folder / "model-symbol.json"),
        "container": "binsight",
        "decision": {
            "temperature": 1.0,
            "thresholds": dict.fromkeys(facts["labels"], 0.0),
            "ambiguous_margin": 0.0,
        },
        "detection": facts.get("detection"),
        "scene": None,
        "files": describe_files(folder),
        "training": {
            "dataset_fingerprint": provenance.dataset_fingerprint,
            "job": provenance.job,
            "code_revision": provenance.code_revision,
            "program": provenance.program,
            "photos": dict(provenance.photos),
            "hyperparameters": facts["hyperparameters"],
            "sources": [dict(source) for source in provenance.sources],
        },
        "metrics": {},
    }


def engines_of(symbol: Path) -> list[str]:
    """Those that can run every operator of the symbol; DeepLens' list is data beside this file."""
    used = {node["op"] for node in json.loads(symbol.read_text())["nodes"]}
    documented = set(json.loads((Path(__file__).parent / "operators.json").read_text())["awscam"])
    return ["onnxruntime", "openvino", "mxnet"] + (["awscam"] if used <= documented else [])


def check_answers(draft: Draft, answers: Path) -> None:
    """The ONNX file through the runtime's engine, against what MXNet answered when training ended."""
    with np.load(answers) as stored, draft.predictor() as predictor:
        photos = stored["photos"].transpose(0, 3, 1, 2).astype(np.float32)
        for index in range(len(photos)):
            for name, answered in predictor.engine.run(photos[index : index + 1]).items():
                _require_near(name, answered, stored[name][index : index + 1])


def _require_near(name: str, answered: Any, expected: Any) -> None:
    scale = max(1.0, float(np.abs(expected).max()))
    distance = float(np.abs(answered - expected).max()) / scale
    if answered.shape != expected.shape or not distance <= ANSWER_TOLERANCE:
        raise PackagingError(f"the ONNX output {name} is {distance:.2g} away from MXNet's: the export is wrong")


def add_calibration(draft: Draft, calibration: Calibration) -> None:
    if calibration.references is not None:
        np.save(draft.folder / REFERENCES_FILE, calibration.references, allow_pickle=False)
    draft.write(decision=calibration.decision, scene=calibration.scene)


def add_self_test(draft: Draft, photos: Sequence[Image.Image]) -> None:
    """A rendered photo, so that it can be public, and what this very model answers to it."""
    with draft.predictor() as predictor:
        photo, answer = most_telling(predictor, photos)
    vector = {"image_png_base64": base64.b64encode(photo).decode(), "tolerance": SELF_TEST_TOLERANCE}
    if isinstance(answer.result, DetectionDecision):
        vector["detections"] = self_test_detections(answer.result.detections)
    else:
        vector["probabilities"] = [round(value, 6) for value in answer.probabilities]
    (draft.folder / SELF_TEST_FILE).write_text(json.dumps(vector) + "\n")
    draft.write()


def most_telling(predictor: Predictor, photos: Sequence[Image.Image]) -> tuple[bytes, Answer]:
    """The photo with the most boxes, none of them so near its threshold that another engine might answer otherwise."""
    answered = []
    for photo in photos:
        content = io.BytesIO()
        photo.save(content, "PNG")
        answered.append((content.getvalue(), predictor.predict(content.getvalue())))
    return max(answered, key=lambda pair: _telling(pair[1], predictor.manifest))


def _telling(answer: Answer, manifest: Manifest) -> tuple[bool, int]:
    if not isinstance(answer.result, DetectionDecision):
        return True, 0
    limits = [manifest.decision.thresholds[manifest.labels[box.label_index].name] for box in answer.boxes]
    is_clear = all(abs(box.score - limit) > CLEAR_OF_THRESHOLD for box, limit in zip(answer.boxes, limits, strict=True))
    return is_clear, len(answer.result.detections)


def finish(draft: Draft, archive: Path) -> str:
    """Packs the draft and answers the artifact's digest; the self-test is run once more before."""
    with draft.predictor() as predictor:
        predictor.self_test()
    archive.parent.mkdir(parents=True, exist_ok=True)
    return pack(draft.folder, archive)
