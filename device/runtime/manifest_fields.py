"""From the JSON of a manifest to its dataclasses, field by field."""

from __future__ import annotations

import re
from typing import Any, Dict, Optional, Tuple

from device.runtime import manifest_types as m
from device.runtime.document import DocumentError, Section, choice, integer, items, kind, number, numbers

_NAME = re.compile(r"[a-z0-9-]{1,63}\Z")
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,126}\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_MAX_SIDE_PX = 4096
_MAX_ANCHORS = 200000


def read_document(document: Any) -> m.Manifest:
    root = Section(document)
    _check_schema(root)
    task = root.choice("task", m.TASKS)
    labels = _labels(root, task)
    manifest = m.Manifest(
        schema=m.SCHEMA,
        name=_name(root),
        task=task,
        labels=labels,
        input=_input(root.section("input")),
        outputs=_outputs(root.section("outputs")),
        engines=tuple(choice(value, path, m.ENGINES) for value, path in root.items("engines")),
        container=root.choice("container", m.CONTAINERS),
        decision=_decision(root.section("decision"), labels, task),
        detection=_detection(root.optional_section("detection")),
        scene=_scene(root.optional_section("scene")),
        files=_files(root.section("files")),
        training=root.section("training").fields,
        metrics=root.section("metrics").fields,
        raw=root.fields,
    )
    _check_consistency(manifest)
    return manifest


def _check_schema(root: Section) -> None:
    schema = root.integer("schema", 1, 2**31)
    if schema > m.SCHEMA:
        raise m.ManifestFromTheFutureError(
            "schema: the manifest of model %r is from the future: schema %d, and this runtime reads up to %d; "
            "update Binsight here, or package the model for schema %d"
            % (root.fields.get("name"), schema, m.SCHEMA, m.SCHEMA)
        )


def _name(root: Section) -> str:
    name = root.text("name")
    if not _NAME.match(name):
        raise DocumentError("name: must be 1 to 63 of a-z, 0-9 and -, not %r" % name)
    return name


def _labels(root: Section, task: str) -> Tuple[m.Label, ...]:
    labels = tuple(_label(Section(value, path)) for value, path in root.items("labels"))
    if not labels:
        raise DocumentError("labels: must hold at least one label")
    names = [label.name for label in labels]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise DocumentError("labels[%d].name: %r stands there twice; merge the two classes" % (index, name))
    if task == "count":
        _check_counts(names)
    return labels


def _label(section: Section) -> m.Label:
    name = section.text("name")
    if name != name.strip():
        raise DocumentError(
            "%s: %r has spaces or line ends around it; strip the labels and package the model again"
            % (section.at("name"), name)
        )
    return m.Label(name, _color(section), section.optional_number("value"))


def _color(section: Section) -> Optional[Tuple[int, int, int]]:
    if not section.has("color"):
        return None
    path = section.at("color")
    parts = [integer(value, where, 0, 255) for value, where in section.items("color")]
    if len(parts) != 3:
        raise DocumentError("%s: must hold red, green and blue, not %d numbers" % (path, len(parts)))
    return parts[0], parts[1], parts[2]


def _check_counts(names: Any) -> None:
    for index, name in enumerate(names):
        if not (name.isascii() and name.isdigit()) or str(int(name)) != name:
            raise DocumentError("labels[%d].name: a count's label must be a whole number, not %r" % (index, name))
        if index and int(name) <= int(names[index - 1]):
            raise DocumentError("labels[%d].name: counts must ascend; %r follows %r" % (index, name, names[index - 1]))


def _input(section: Section) -> m.InputSpec:
    return m.InputSpec(
        name=section.text("name"),
        width=section.integer("width", 8, _MAX_SIDE_PX),
        height=section.integer("height", 8, _MAX_SIDE_PX),
        color_order=section.choice("color_order", m.COLOR_ORDERS),
        layout=section.choice("layout", m.LAYOUTS),
        fit=section.choice("fit", m.FITS),
    )


def _outputs(section: Section) -> m.Outputs:
    return m.Outputs(section.text("probabilities"), section.optional_text("features"), section.optional_text("offsets"))


def _decision(section: Section, labels: Tuple[m.Label, ...], task: str) -> m.Decision:
    return m.Decision(
        temperature=section.number("temperature", 0.01, 100),
        thresholds=_thresholds(section.section("thresholds"), labels),
        ambiguous_margin=section.number("ambiguous_margin", 0, 1),
        trained_range=_trained_range(section),
        interval=section.number("interval", 0.01, 1) if task == "count" and section.has("interval") else 0.8,
        beyond_probability=section.optional_number("beyond_probability", 0, 1),
    )


def _thresholds(section: Section, labels: Tuple[m.Label, ...]) -> Dict[str, float]:
    names = [label.name for label in labels]
    for name in section.fields:
        if name not in names:
            raise DocumentError("%s: is not a label of this model (%s)" % (section.at(name), ", ".join(names)))
    return {name: section.number(name, 0, 1) for name in names}


def _trained_range(section: Section) -> Optional[Tuple[int, int]]:
    if not section.has("trained_range"):
        return None
    low, high = section.interval("trained_range")
    if low != int(low) or high != int(high) or low < 0:
        raise DocumentError("%s: must hold two whole numbers" % section.at("trained_range"))
    return int(low), int(high)


def _detection(section: Optional[Section]) -> Optional[m.Detection]:
    if section is None:
        return None
    first, second, third, fourth = numbers(section.required("variances"), section.at("variances"), 4)
    detection = m.Detection(
        feature_maps=tuple(_feature_map(value, path) for value, path in section.items("feature_maps")),
        sizes=tuple(_positive(value, path) for value, path in section.items("sizes")),
        ratios=tuple(_positive(value, path) for value, path in section.items("ratios")),
        variances=(first, second, third, fourth),
        nms_threshold=section.number("nms_threshold", 0, 1),
        max_boxes=section.integer("max_boxes", 1, 10000),
        label_base=section.integer("label_base", 0, 1),
    )
    return _check_detection(detection)


def _feature_map(value: Any, path: str) -> Tuple[int, int]:
    sides = [integer(side, where, 1, _MAX_SIDE_PX) for side, where in items(value, path)]
    if len(sides) != 2:
        raise DocumentError("%s: must hold height and width" % path)
    return sides[0], sides[1]


def _positive(value: Any, path: str) -> Tuple[float, ...]:
    found = tuple(number(item, where, 1e-6, 1e6) for item, where in items(value, path))
    if not found:
        raise DocumentError("%s: must not be empty" % path)
    return found


def _check_detection(detection: m.Detection) -> m.Detection:
    maps = len(detection.feature_maps)
    if not maps or len(detection.sizes) != maps or len(detection.ratios) != maps:
        raise DocumentError("detection: feature_maps, sizes and ratios must be lists of one length, and not empty")
    if detection.anchors > _MAX_ANCHORS:
        raise DocumentError("detection: %d anchors are more than %d" % (detection.anchors, _MAX_ANCHORS))
    return detection


def _scene(section: Optional[Section]) -> Optional[m.Scene]:
    if section is None:
        return None
    return m.Scene(
        brightness=section.interval("brightness"),
        contrast=section.interval("contrast"),
        sharpness=section.interval("sharpness"),
        aspect=section.interval("aspect"),
        fill=section.interval("fill") if section.has("fill") else None,
        references=_references(section.optional_section("references")),
    )


def _references(section: Optional[Section]) -> Optional[m.References]:
    if section is None:
        return None
    return m.References(
        file=section.text("file"),
        count=section.integer("count", 1, 100000),
        dim=section.integer("dim", 1, 100000),
        max_distance=section.number("max_distance", 0, 2),
    )


def _files(section: Section) -> Tuple[m.FileEntry, ...]:
    return tuple(_file(name, section.section(name)) for name in sorted(section.fields))


def _file(name: str, section: Section) -> m.FileEntry:
    if not _FILE_NAME.match(name) or name == m.MANIFEST_FILE:
        raise DocumentError("files: %r cannot be a member; names are flat and hold A-Z a-z 0-9 . _ - only" % name)
    sha256 = section.text("sha256")
    if not _SHA256.match(sha256):
        raise DocumentError("%s: must be 64 hex digits in lower case" % section.at("sha256"))
    return m.FileEntry(name, sha256, section.integer("bytes", 0, 2**40))


def _check_consistency(manifest: m.Manifest) -> None:
    _check_engines(manifest)
    _check_task(manifest)
    references = manifest.scene.references if manifest.scene else None
    names = [entry.name for entry in manifest.files]
    if references and references.file not in names:
        raise DocumentError("scene.references.file: %s is not among files; package the model again" % references.file)
    if references and manifest.outputs.features is None:
        raise DocumentError("scene.references: needs outputs.features, which is null; name the output or drop them")


def _check_engines(manifest: m.Manifest) -> None:
    names = [entry.name for entry in manifest.files]
    has_symbol = any(name.endswith("-symbol.json") for name in names)
    if not manifest.engines and manifest.container == "binsight":
        raise DocumentError("engines: must name at least one engine; only a built-in container needs none")
    for engine in manifest.engines:
        if engine in ("onnxruntime", "openvino") and m.ONNX_FILE not in names:
            raise DocumentError("engines: %s needs %s among files" % (engine, m.ONNX_FILE))
        if engine in ("mxnet", "awscam") and not has_symbol:
            raise DocumentError("engines: %s needs a -symbol.json and its .params among files" % engine)


def _check_task(manifest: m.Manifest) -> None:
    decodes_boxes = manifest.task == "detect" and set(manifest.engines) - {"awscam"}
    if decodes_boxes and manifest.detection is None:
        raise DocumentError("detection: is %s; task detect needs its priors" % kind(manifest.detection))
    if decodes_boxes and manifest.outputs.offsets is None:
        raise DocumentError("outputs.offsets: task detect needs the name of the box offsets")
    if manifest.task != "detect" and manifest.container == "object-detection":
        raise DocumentError("container: object-detection serves task detect only, not %s" % manifest.task)
    if manifest.task == "detect" and manifest.container == "image-classification":
        raise DocumentError("container: image-classification cannot serve task detect")
