"""The manifest's two readers, pydantic at the edge and the standard library on a camera, agree on everything."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.errors import InvalidArtifactError
from chalicelib.domain.manifest import checked_manifest
from device.runtime.manifest import ManifestError, parse_manifest
from tests.contract.contract import faults, schema_of
from tests.device.models import manifest_document, model_folder

SHA = "0" * 64
FILE = {"sha256": SHA, "bytes": 1}
REFERENCES = {"file": "references.npy", "count": 8, "dim": 3, "max_distance": 0.3}
MISSING = object()
TASKS = ("classify", "count", "detect")


def changed(task: str, path: str, value: Any) -> dict[str, Any]:
    """A whole manifest in which one field, named as in its own messages, is another or missing."""
    document = copy.deepcopy(manifest_document(task))
    *parents, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    node: Any = document
    for part in parents:
        node = node[part]
    if value is MISSING:
        del node[last]
    else:
        node[last] = value
    return document


def device_takes(document: Any) -> bool:
    try:
        parse_manifest(document)
    except ManifestError:
        return False
    return True


def service_takes(document: Any) -> bool:
    try:
        checked_manifest(document)
    except InvalidArtifactError:
        return False
    return True


ACCEPTED: list[tuple[str, str, Any]] = [
    ("classify", "surprise", {"of": "the future"}),
    ("classify", "input/surprise", 1),
    ("classify", "decision/surprise", 1),
    ("classify", "labels/0/surprise", 1),
    ("classify", "labels/0/color", [0, 255, 10]),
    ("classify", "labels/0/color", MISSING),
    ("classify", "labels/0/value", 0.5),
    ("classify", "labels/0/value", 2),
    ("classify", "name", "-"),
    ("classify", "name", "x" * 63),
    ("classify", "outputs/features", None),
    ("classify", "outputs/features", MISSING),
    ("classify", "decision/temperature", 1),
    ("classify", "decision/thresholds/compost", 0),
    ("classify", "decision/trained_range", [0, 5]),
    ("classify", "decision/trained_range", [0.0, 5.0]),
    ("classify", "decision/interval", None),
    ("count", "decision/interval", 0.9),
    ("count", "decision/beyond_probability", 0.7),
    ("count", "decision/trained_range", None),
    ("classify", "detection", MISSING),
    ("classify", "scene", None),
    ("classify", "scene", MISSING),
    ("classify", "scene/fill", [0.1, 0.9]),
    ("classify", "scene/brightness", [5, 5]),
    ("classify", "engines", ["onnxruntime"]),
    ("classify", "files/card.md", FILE),
    ("detect", "detection/ratios", [[1, 2, 0.5]]),
    ("detect", "detection/label_base", 1),
    ("detect", "detection/max_boxes", 10_000),
    ("detect", "labels/0/value", None),
]

REFUSED: list[tuple[str, str, Any]] = [
    *(("classify", field, MISSING) for field in ("schema", "name", "task", "labels", "input", "outputs", "engines")),
    *(("classify", field, MISSING) for field in ("container", "decision", "files", "training", "metrics")),
    *(
        ("classify", field, None)
        for field in ("labels", "input", "outputs", "decision", "files", "training", "engines")
    ),
    *(("classify", f"input/{field}", MISSING) for field in ("name", "width", "color_order", "layout", "fit")),
    *(("classify", f"decision/{field}", MISSING) for field in ("temperature", "thresholds", "ambiguous_margin")),
    *(("classify", f"scene/{field}", MISSING) for field in ("brightness", "contrast", "sharpness", "aspect")),
    *(("detect", f"detection/{field}", MISSING) for field in ("feature_maps", "sizes", "ratios", "variances")),
    *(("detect", f"detection/{field}", MISSING) for field in ("nms_threshold", "max_boxes", "label_base")),
    *(("classify", "schema", value) for value in (0, 2, 99, "1", 1.0, True, None)),
    *(("classify", "name", value) for value in ("", "Waste", "waste bins", "x" * 64, "waste\n", 7, None)),
    *(("classify", "task", value) for value in ("paint", "Classify", "", None, ["classify"])),
    *(("classify", "labels", value) for value in ([], {}, ["landfill"], "landfill")),
    *(
        ("classify", "labels/0/name", value)
        for value in ("", " landfill", "landfill\n", "land\nfill", "compost", 7, None)
    ),
    *(
        ("classify", "labels/0/color", value)
        for value in ([0, 0], [0, 0, 0, 0], [0, 0, 256], [0, 0, -1], "red", [0, 0, 0.5])
    ),
    *(("classify", "labels/0/value", value) for value in ("1", math.nan, math.inf, True)),
    *(("classify", "input/width", value) for value in (0, 7, 4097, 96.0, "96", True, None)),
    *(("classify", "input/color_order", value) for value in ("rgb", "GRB", None)),
    *(("classify", "input/layout", value) for value in ("CHW", None)),
    *(("classify", "input/fit", value) for value in ("stretch", None)),
    *(("classify", "input/name", value) for value in ("", None, 7)),
    *(("classify", "outputs/probabilities", value) for value in ("", None)),
    *(("classify", "outputs/features", value) for value in ("", 7)),
    *(("classify", "engines", value) for value in ([], ["tensorflow"], "onnxruntime", ["mxnet"], ["awscam"])),
    *(("classify", "container", value) for value in ("object-detection", "docker", None)),
    *(("classify", "decision/temperature", value) for value in (0, -1, 101, math.nan, "1", True)),
    *(("classify", "decision/thresholds", value) for value in ({}, {"landfill": 0.5}, [], None)),
    ("classify", "decision/thresholds/paper", 0.5),
    *(("classify", "decision/thresholds/compost", value) for value in (-0.1, 1.1, "0.5", None, math.nan, True)),
    *(("classify", "decision/ambiguous_margin", value) for value in (-0.1, 1.1, None)),
    *(("count", "decision/trained_range", value) for value in ([5, 0], [0], [0, 5, 6], [0, 2.5], [-1, 5], "0-5")),
    *(("count", "decision/interval", value) for value in (0, 1.5, "0.8")),
    *(("count", "decision/beyond_probability", value) for value in (-0.1, 1.1)),
    *(("count", "labels/1/name", value) for value in ("one", "01", "-1", "1.5", "²", "5", "2")),
    *(("detect", "detection", value) for value in (None, MISSING, [])),
    *(("detect", "outputs/offsets", value) for value in (None, MISSING, "")),
    ("detect", "container", "image-classification"),
    *(
        ("detect", "detection/feature_maps", value)
        for value in ([], [[4]], [[4, 4], [2, 2]], [[0, 4]], [[4096, 4096]], [[4, 4.5]])
    ),
    *(("detect", "detection/sizes", value) for value in ([], [[]], [[0]], [[-1]], [0.25], [["0.25"]])),
    *(("detect", "detection/ratios", value) for value in ([], [[]], [[0]])),
    *(("detect", "detection/variances", value) for value in ([0.1], [0.1] * 5, [0.1, 0.1, 0.1, math.inf], None)),
    *(("detect", "detection/nms_threshold", value) for value in (-0.1, 1.1)),
    *(("detect", "detection/max_boxes", value) for value in (0, 10_001, 1.5)),
    *(("detect", "detection/label_base", value) for value in (2, -1, True)),
    *(("classify", "scene/brightness", value) for value in ([240, 20], [20], [1, 2, 3], [math.nan, 1], "20-240", None)),
    *(("classify", "scene/fill", value) for value in ([0.9, 0.1], [0.5])),
    ("classify", "scene/references", REFERENCES),
    *(("classify", "files/model.onnx", value) for value in ({}, {"sha256": SHA}, {"sha256": "x", "bytes": 1}, None)),
    *(("classify", "files/model.onnx/bytes", value) for value in (-1, 1.5, 2**41)),
    *(
        ("classify", "files", {"model.onnx": FILE, name: FILE})
        for name in ("../x", "a/b", ".x", "", "manifest.json", "x\n")
    ),
    ("classify", "files", {"network.onnx": FILE}),
    *(("classify", field, value) for field in ("training", "metrics") for value in ([], "none", None)),
]


def name_of(case: Any) -> str:
    return "missing" if case is MISSING else repr(case)[:40]


@pytest.mark.parametrize("task", TASKS)
def test_both_take_a_whole_manifest(task: str) -> None:
    document = manifest_document(task)
    assert device_takes(document)
    assert service_takes(document)
    assert faults(document, schema_of("Manifest")) == []


@pytest.mark.parametrize(("task", "path", "value"), ACCEPTED, ids=name_of)
def test_both_take_what_is_odd_but_right(task: str, path: str, value: Any) -> None:
    document = changed(task, path, value)
    assert (device_takes(document), service_takes(document)) == (True, True)
    assert faults(document, schema_of("Manifest")) == []


@pytest.mark.parametrize(("task", "path", "value"), REFUSED, ids=name_of)
def test_both_refuse_what_is_wrong(task: str, path: str, value: Any) -> None:
    document = changed(task, path, value)
    assert (device_takes(document), service_takes(document)) == (False, False)


@pytest.mark.parametrize("document", [None, [], "manifest", 1, {}], ids=repr)
def test_both_refuse_what_is_no_object(document: Any) -> None:
    assert (device_takes(document), service_takes(document)) == (False, False)


def referring(change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    document = copy.deepcopy(manifest_document("classify"))
    document["scene"]["references"] = dict(REFERENCES)
    document["files"]["references.npy"] = FILE
    change(document)
    return document


@pytest.mark.parametrize(
    ("change", "taken"),
    [
        (lambda document: None, True),
        (lambda document: document["files"].pop("references.npy"), False),
        (lambda document: document["outputs"].update(features=None), False),
        (lambda document: document["scene"]["references"].update(max_distance=2.1), False),
        (lambda document: document["scene"]["references"].update(count=0), False),
        (lambda document: document["scene"]["references"].pop("dim"), False),
    ],
)
def test_both_hold_references_to_their_file_and_their_output(change: Any, taken: bool) -> None:
    document = referring(change)
    assert (device_takes(document), service_takes(document)) == (taken, taken)


@pytest.mark.parametrize(
    ("task", "container", "taken"),
    [
        ("classify", "image-classification", True),
        ("detect", "object-detection", True),
        ("count", "image-classification", True),
    ],
)
def test_a_built_in_container_needs_no_engine(task: str, container: str, taken: bool) -> None:
    document = manifest_document(task, container=container, engines=[])
    assert (device_takes(document), service_takes(document)) == (taken, taken)


def test_a_packed_models_manifest_is_taken_as_it_lies_on_the_disk(tmp_path: Path) -> None:
    document = json.loads(
        (model_folder(tmp_path / "model", references=[[1, 0, 0], [0, 1, 0]]) / "manifest.json").read_text()
    )
    assert (device_takes(document), service_takes(document)) == (True, True)
    assert faults(document, schema_of("Manifest")) == []


def test_a_refusal_names_the_field() -> None:
    with pytest.raises(InvalidArtifactError, match=r"input\.width"):
        checked_manifest(changed("classify", "input/width", 7))
    with pytest.raises(ManifestError, match=r"input\.width"):
        parse_manifest(changed("classify", "input/width", 7))
