"""The manifest as the service's edge checks it.

device/runtime/manifest.py reads the same document where there is no pydantic; a contract test holds the two equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from chalicelib.domain.errors import InvalidArtifactError

SCHEMA = 1
MAX_ANCHORS = 200_000
ONNX_FILE = "model.onnx"


def _ascending(pair: list[float]) -> list[float]:
    if pair[0] > pair[1]:
        raise ValueError("the first number is not above the second")
    return pair


def _whole(pair: list[float]) -> list[float]:
    if any(side != int(side) or side < 0 for side in pair):
        raise ValueError("it holds two whole numbers")
    return pair


def _label_name(name: str) -> str:
    if name != name.strip() or any(ord(letter) < 32 or ord(letter) == 127 for letter in name):
        raise ValueError("a label has no spaces or line ends around it and no control characters")
    return name


Text = Annotated[str, StringConstraints(min_length=1)]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,63}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,126}$")]
Share = Annotated[float, Field(ge=0, le=1)]
Byte = Annotated[int, Field(ge=0, le=255)]
Side = Annotated[int, Field(ge=8, le=4096)]
CellCount = Annotated[int, Field(ge=1, le=4096)]
Positive = Annotated[float, Field(ge=1e-6, le=1e6)]
Range = Annotated[list[float], Field(min_length=2, max_length=2), AfterValidator(_ascending)]
Engine = Literal["onnxruntime", "openvino", "mxnet", "awscam"]
Container = Literal["binsight", "image-classification", "object-detection"]


class Part(BaseModel):
    """What is unknown is kept and ignored: a camera in the field reads manifests that are newer than its agent."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, allow_inf_nan=False)


class Label(Part):
    name: Annotated[Text, AfterValidator(_label_name)]
    color: Annotated[list[Byte], Field(min_length=3, max_length=3)] | None = None
    value: float | None = None


class InputSpec(Part):
    name: Text
    width: Side
    height: Side
    color_order: Literal["RGB", "BGR"]
    layout: Literal["NCHW", "NHWC"]
    fit: Literal["squash", "crop", "letterbox"]


class Outputs(Part):
    probabilities: Text
    features: Text | None = None
    offsets: Text | None = None


class Decision(Part):
    temperature: Annotated[float, Field(ge=0.01, le=100)]
    thresholds: dict[str, Share]
    ambiguous_margin: Share
    trained_range: Annotated[Range, AfterValidator(_whole)] | None = None
    interval: Annotated[float, Field(ge=0.01, le=1)] | None = None
    beyond_probability: Share | None = None


class Detection(Part):
    feature_maps: Annotated[list[Annotated[list[CellCount], Field(min_length=2, max_length=2)]], Field(min_length=1)]
    sizes: list[Annotated[list[Positive], Field(min_length=1)]]
    ratios: list[Annotated[list[Positive], Field(min_length=1)]]
    variances: Annotated[list[float], Field(min_length=4, max_length=4)]
    nms_threshold: Share
    max_boxes: Annotated[int, Field(ge=1, le=10_000)]
    label_base: Annotated[int, Field(ge=0, le=1)]

    @model_validator(mode="after")
    def _priors_fit_their_maps(self) -> Detection:
        if not len(self.feature_maps) == len(self.sizes) == len(self.ratios):
            raise ValueError("feature_maps, sizes and ratios are lists of one length")
        if self.anchors > MAX_ANCHORS:
            raise ValueError(f"{self.anchors} anchors are more than {MAX_ANCHORS}")
        return self

    @property
    def anchors(self) -> int:
        rows = zip(self.feature_maps, self.sizes, self.ratios, strict=True)
        return sum(height * width * (len(sizes) + len(ratios) - 1) for (height, width), sizes, ratios in rows)


class References(Part):
    file: Text
    count: Annotated[int, Field(ge=1, le=100_000)]
    dim: Annotated[int, Field(ge=1, le=100_000)]
    max_distance: Annotated[float, Field(ge=0, le=2)]


class Scene(Part):
    brightness: Range
    contrast: Range
    sharpness: Range
    aspect: Range
    fill: Range | None = None
    references: References | None = None


class FileEntry(Part):
    sha256: Sha256
    bytes: Annotated[int, Field(ge=0, le=2**40)]


class Manifest(Part):
    schema_: Annotated[int, Field(alias="schema", ge=1, le=SCHEMA)]
    name: Slug
    task: Literal["classify", "count", "detect"]
    labels: Annotated[list[Label], Field(min_length=1)]
    input: InputSpec
    outputs: Outputs
    engines: list[Engine]
    container: Container
    decision: Decision
    detection: Detection | None = None
    scene: Scene | None = None
    files: dict[FileName, FileEntry]
    training: dict[str, Any]
    metrics: dict[str, Any]

    @model_validator(mode="after")
    def _fits_together(self) -> Manifest:
        for fault in (*_label_faults(self), *_engine_faults(self), *_task_faults(self), *_file_faults(self)):
            raise ValueError(fault)
        return self


def _label_faults(manifest: Manifest) -> list[str]:
    names = [label.name for label in manifest.labels]
    faults = []
    if len(set(names)) != len(names):
        faults.append("every label stands once")
    if set(manifest.decision.thresholds) != set(names):
        faults.append("decision.thresholds has one number for each label and no other")
    if manifest.task == "count" and not _are_counts(names):
        faults.append("the labels of a count are whole numbers, ascending")
    return faults


def _are_counts(names: list[str]) -> bool:
    if not all(name.isascii() and name.isdigit() and str(int(name)) == name for name in names):
        return False
    counts = [int(name) for name in names]
    return counts == sorted(set(counts))


def _engine_faults(manifest: Manifest) -> list[str]:
    engines, names = set(manifest.engines), set(manifest.files)
    faults = []
    if not engines and manifest.container == "binsight":
        faults.append("engines names at least one; only a built-in container needs none")
    if engines & {"onnxruntime", "openvino"} and ONNX_FILE not in names:
        faults.append(f"onnxruntime and openvino need {ONNX_FILE} among files")
    if engines & {"mxnet", "awscam"} and not any(name.endswith("-symbol.json") for name in names):
        faults.append("mxnet and awscam need a -symbol.json among files")
    return faults


def _task_faults(manifest: Manifest) -> list[str]:
    decodes_boxes = manifest.task == "detect" and set(manifest.engines) - {"awscam"}
    faults = []
    if decodes_boxes and (manifest.detection is None or manifest.outputs.offsets is None):
        faults.append("task detect says 'detection' and 'outputs.offsets'")
    if manifest.task != "detect" and manifest.container == "object-detection":
        faults.append("the container object-detection serves task detect only")
    if manifest.task == "detect" and manifest.container == "image-classification":
        faults.append("the container image-classification cannot serve task detect")
    return faults


def _file_faults(manifest: Manifest) -> list[str]:
    references = manifest.scene.references if manifest.scene else None
    faults = []
    if "manifest.json" in manifest.files:
        faults.append("files names every member but manifest.json")
    if references and references.file not in manifest.files:
        faults.append(f"scene.references.file: {references.file} is not among files")
    if references and manifest.outputs.features is None:
        faults.append("scene.references needs outputs.features")
    return faults


def checked_manifest(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The document itself, unchanged. Raises: InvalidArtifactError naming the first field that does not fit."""
    try:
        Manifest.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "manifest"
        raise InvalidArtifactError(f"manifest.json, {field}: {first['msg']}.") from error
    return document
