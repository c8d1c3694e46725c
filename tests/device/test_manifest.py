from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any, Dict

import pytest

from device.runtime.manifest import ManifestError, ManifestFromTheFutureError, parse_manifest, read_manifest
from tests.device.models import manifest_document


def changed(path: str, value: Any, task: str = "classify") -> Dict[str, Any]:
    document = copy.deepcopy(manifest_document(task))
    *parents, last = path.split(".")
    place: Any = document
    for key in parents:
        place = place[int(key)] if key.isdigit() else place[key]
    place[int(last) if last.isdigit() else last] = value
    return document


def test_a_manifest_is_read_into_dataclasses() -> None:
    manifest = parse_manifest(manifest_document())
    assert (manifest.name, manifest.task, manifest.container) == ("waste", "classify", "binsight")
    assert manifest.label_names == ("landfill", "compost", "recycling")
    assert (manifest.input.width, manifest.input.fit) == (32, "squash")
    assert manifest.decision.thresholds["compost"] == 0.5
    assert manifest.raw == manifest_document()


def test_colours_and_values_of_labels_are_read() -> None:
    manifest = parse_manifest(changed("labels.0", {"name": "landfill", "color": [255, 0, 0], "value": 2.5}))
    assert manifest.labels[0].color == (255, 0, 0)
    assert manifest.labels[0].value == 2.5


def test_fields_that_this_schema_does_not_know_are_tolerated() -> None:
    document = dict(manifest_document(), licence="none")
    assert parse_manifest(document).raw["licence"] == "none"


def test_a_manifest_from_the_future_is_refused_by_name() -> None:
    with pytest.raises(ManifestFromTheFutureError, match="'waste' is from the future: schema 2"):
        parse_manifest(changed("schema", 2))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("schema", "1", "schema: must be a whole number, not text"),
        ("schema", True, "schema: must be a whole number, not true or false"),
        ("name", "Waste!", "name: must be 1 to 63 of"),
        ("task", "segment", "task: must be one of classify, count, detect"),
        ("labels", [], "labels: must hold at least one"),
        ("labels.1.name", "Landfill\n", r"labels\[1\].name: 'Landfill\\n' has spaces or line ends"),
        ("labels.1.name", "landfill", r"labels\[1\].name: 'landfill' stands there twice"),
        ("labels.1.name", "", r"labels\[1\].name: must be a text that is not empty"),
        ("labels.2.color", [1, 2], r"labels\[2\].color: must hold red, green and blue"),
        ("labels.2.color", [1, 2, 256], r"labels\[2\].color\[2\]: must be from 0 to 255"),
        ("labels.2.value", "5", r"labels\[2\].value: must be a number, not text"),
        ("input.width", 0, "input.width: must be from 8"),
        ("input.width", 224.0, "input.width: must be a whole number"),
        ("input.fit", "stretch", "input.fit: must be one of squash, crop, letterbox"),
        ("input.color_order", None, "input.color_order: must be one of RGB, BGR"),
        ("engines", ["onnxruntime", "tensorrt"], r"engines\[1\]: must be one of"),
        ("engines", [], "engines: must name at least one"),
        ("engines", ["mxnet"], "engines: mxnet needs a -symbol.json"),
        ("container", "docker", "container: must be one of"),
        ("container", "object-detection", "container: object-detection serves task detect only"),
        ("decision.temperature", 0, "decision.temperature: must be a finite number from 0.01"),
        ("decision.temperature", float("nan"), "decision.temperature: must be a finite number"),
        ("decision.thresholds", {"landfill": 0.5}, "decision.thresholds.compost: is missing"),
        ("decision.thresholds.glass", 0.5, "decision.thresholds.glass: is not a label"),
        ("decision.trained_range", [5, 0], "decision.trained_range: the first number must not be above"),
        ("decision.trained_range", [0, 2.5], "decision.trained_range: must hold two whole numbers"),
        ("scene.brightness", [1], "scene.brightness: must hold 2 numbers, not 1"),
        (
            "scene.references",
            {"file": "r.npy", "count": 1, "dim": 3, "max_distance": 0.3},
            "references.file: r.npy is not",
        ),
        ("files", [], "files: must be an object, not a list"),
        ("files", {"../model.onnx": {"sha256": "0" * 64, "bytes": 1}}, "files: '../model.onnx' cannot be a member"),
        ("files", {"manifest.json": {"sha256": "0" * 64, "bytes": 1}}, "files: 'manifest.json' cannot be a member"),
        ("files", {"model.onnx": {"sha256": "A" * 64, "bytes": 1}}, "files.model.onnx.sha256: must be 64 hex digits"),
        ("files", {}, "engines: onnxruntime needs model.onnx among files"),
    ],
)
def test_a_wrong_field_is_refused_with_its_path(path: str, value: Any, message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        parse_manifest(changed(path, value))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("labels.1.name", "one", r"labels\[1\].name: a count's label must be a whole number"),
        ("labels.1.name", "01", r"labels\[1\].name: a count's label must be a whole number"),
        ("labels.1.name", "7", r"labels\[2\].name: counts must ascend"),
        ("decision.interval", 1.5, "decision.interval: must be a finite number"),
    ],
)
def test_a_wrong_field_of_a_count_is_refused(path: str, value: Any, message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        parse_manifest(changed(path, value, "count"))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("detection", None, "detection: is null; task detect needs its priors"),
        ("detection.variances", [0.1, 0.1], "detection.variances: must hold 4 numbers"),
        ("detection.sizes", [[0.2], [0.3]], "lists of one length"),
        ("detection.sizes", [[]], r"detection.sizes\[0\]: must not be empty"),
        ("detection.feature_maps", [[4096, 4096]], "anchors are more than"),
        ("detection.feature_maps", [[4]], r"detection.feature_maps\[0\]: must hold height and width"),
        ("outputs.offsets", None, "outputs.offsets: task detect needs"),
        ("container", "image-classification", "cannot serve task detect"),
    ],
)
def test_a_wrong_field_of_a_detector_is_refused(path: str, value: Any, message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        parse_manifest(changed(path, value, "detect"))


@pytest.mark.parametrize("key", sorted(set(manifest_document()) - {"detection", "scene"}))
def test_every_field_that_is_missing_is_named(key: str) -> None:
    document = manifest_document()
    del document[key]
    with pytest.raises(ManifestError, match=f"{key}: is missing"):
        parse_manifest(document)


@pytest.mark.parametrize("document", [None, [], "manifest", 7])
def test_what_is_no_object_is_refused(document: Any) -> None:
    with pytest.raises(ManifestError, match="the document: must be an object"):
        parse_manifest(document)


def test_a_model_of_a_built_in_container_needs_no_engine_and_no_scene() -> None:
    document = manifest_document(container="image-classification", engines=[], scene=None, files={})
    manifest = parse_manifest(document)
    assert manifest.scene is None
    assert manifest.engines == ()


def test_the_number_of_anchors_follows_from_sizes_and_ratios() -> None:
    detection = parse_manifest(changed("detection.ratios", [[1, 2, 0.5]], "detect")).detection
    assert detection is not None
    assert detection.anchors == 4 * 4 * 3


def test_a_manifest_is_read_from_its_file_or_folder(tmp_path: Path) -> None:
    file = tmp_path / "manifest.json"
    file.write_text(json.dumps(manifest_document()), encoding="utf-8")
    assert read_manifest(file) == read_manifest(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[" * 100000, "\ud800"])
def test_a_file_that_is_not_json_is_refused_with_its_path(tmp_path: Path, text: str) -> None:
    file = tmp_path / "manifest.json"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ManifestError, match=r"manifest.json: is not JSON"):
        read_manifest(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="there is no such file"):
        read_manifest(tmp_path / "manifest.json")
