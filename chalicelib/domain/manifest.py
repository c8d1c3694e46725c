"""The manifest as the service's edge checks it; device/runtime/manifest.py reads the same document on a camera."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from chalicelib.domain.errors import InvalidArtifactError

SCHEMA = 1
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Share = Annotated[float, Field(ge=0, le=1)]
Byte = Annotated[int, Field(ge=0, le=255)]
Range = tuple[float, float]


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class Label(Part):
    name: str
    color: tuple[Byte, Byte, Byte] | None = None
    value: float | None = None

    @field_validator("name")
    @classmethod
    def _bare(cls, name: str) -> str:
        if not name or name != name.strip() or re.search(r"[\x00-\x1f\x7f]", name):
            raise ValueError("a label has no spaces or line ends around it and is not empty")
        return name


class InputSpec(Part):
    name: str
    width: Annotated[int, Field(ge=8, le=4096)]
    height: Annotated[int, Field(ge=8, le=4096)]
    color_order: Literal["RGB", "BGR"]
    layout: Literal["NCHW", "NHWC"]
    fit: Literal["squash", "crop", "letterbox"]


class Outputs(Part):
    probabilities: str
    features: str | None = None
    offsets: str | None = None


class Decision(Part):
    temperature: Annotated[float, Field(gt=0)]
    thresholds: dict[str, Share]
    ambiguous_margin: Share
    trained_range: tuple[int, int] | None = None
    interval: Share = 0.8
    beyond_probability: Share | None = None


class Detection(Part):
    feature_maps: list[tuple[int, int]]
    sizes: list[list[float]]
    ratios: list[list[float]]
    variances: tuple[float, float, float, float]
    nms_threshold: Share
    max_boxes: Annotated[int, Field(ge=1, le=1000)]
    label_base: Literal[0, 1]


class References(Part):
    file: str
    count: Annotated[int, Field(ge=1)]
    dim: Annotated[int, Field(ge=1)]
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
    bytes: Annotated[int, Field(ge=0)]


class Manifest(BaseModel):
    """Schema 1. Unknown members are kept at the top level and refused further down."""

    model_config = ConfigDict(frozen=True, extra="allow")

    schema_: Literal[1] = Field(alias="schema")
    name: Slug
    task: Literal["classify", "count", "detect"]
    labels: Annotated[list[Label], Field(min_length=1)]
    input: InputSpec
    outputs: Outputs
    engines: list[str]
    container: Literal["binsight", "image-classification", "object-detection"]
    decision: Decision
    detection: Detection | None = None
    scene: Scene | None = None
    files: dict[str, FileEntry]
    training: dict[str, Any] = {}
    metrics: dict[str, Any] = {}

    @field_validator("labels")
    @classmethod
    def _unique(cls, labels: list[Label]) -> list[Label]:
        names = [label.name for label in labels]
        if len(set(names)) != len(names):
            raise ValueError("every label stands once")
        return labels

    @model_validator(mode="after")
    def _fits_its_task(self) -> Manifest:
        if self.task == "detect" and (self.detection is None or self.outputs.offsets is None):
            raise ValueError("a detect manifest says 'detection' and 'outputs.offsets'")
        return self


def checked_manifest(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The document itself, unchanged. Raises: InvalidArtifactError naming the first field that does not fit."""
    try:
        Manifest.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "manifest"
        raise InvalidArtifactError(f"manifest.json, {field}: {first['msg']}.") from error
    _check_finite(document)
    return document


def _check_finite(document: Mapping[str, Any]) -> None:
    # Python's parser takes NaN, and the members that nobody looks into (metrics) would hand it on to every caller.
    try:
        json.dumps(document, allow_nan=False)
    except ValueError as error:
        raise InvalidArtifactError("manifest.json: NaN and infinity are not JSON; package the model again.") from error
