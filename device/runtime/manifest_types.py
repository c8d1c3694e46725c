"""What a manifest holds, as dataclasses, and what can be wrong with one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Optional, Tuple

SCHEMA = 1
TASKS = ("classify", "count", "detect")
FITS = ("squash", "crop", "letterbox")
COLOR_ORDERS = ("RGB", "BGR")
LAYOUTS = ("NCHW", "NHWC")
ENGINES = ("onnxruntime", "openvino", "mxnet", "awscam")
CONTAINERS = ("binsight", "image-classification", "object-detection")
MANIFEST_FILE = "manifest.json"
SELF_TEST_FILE = "selftest.json"
ONNX_FILE = "model.onnx"

Interval = Tuple[float, float]


class ManifestError(ValueError):
    """The manifest cannot be used; the message names the field and what to do."""


class ManifestFromTheFutureError(ManifestError):
    """A newer Binsight wrote the manifest."""


@dataclass(frozen=True)
class Label:
    """One class. color: RGB 0-255 of its bin; value: what one object of it is worth."""

    name: str
    color: Optional[Tuple[int, int, int]] = None
    value: Optional[float] = None


@dataclass(frozen=True)
class InputSpec:
    """What the network takes: raw 0-255 float32; mean and deviation are inside the network."""

    name: str
    width: int
    height: int
    color_order: str
    layout: str
    fit: str


@dataclass(frozen=True)
class Outputs:
    """Output names. probabilities: (1, labels), or (1, labels + 1, anchors) with the background first for detect."""

    probabilities: str
    features: Optional[str] = None
    offsets: Optional[str] = None


@dataclass(frozen=True)
class Decision:
    """When an answer counts. interval: the probability that a count's interval holds at the least.

    beyond_probability: from this probability of the range's highest count on, there may be more than trained on.
    """

    temperature: float
    thresholds: Mapping[str, float]
    ambiguous_margin: float
    trained_range: Optional[Tuple[int, int]] = None
    interval: float = 0.8
    beyond_probability: Optional[float] = None


@dataclass(frozen=True)
class Detection:
    """Priors and suppression, with the meaning MXNet's MultiBoxPrior and MultiBoxDetection give them."""

    feature_maps: Tuple[Tuple[int, int], ...]
    sizes: Tuple[Tuple[float, ...], ...]
    ratios: Tuple[Tuple[float, ...], ...]
    variances: Tuple[float, float, float, float]
    nms_threshold: float
    max_boxes: int
    label_base: int

    @property
    def anchors(self) -> int:
        per_cell = [len(sizes) + len(ratios) - 1 for sizes, ratios in zip(self.sizes, self.ratios)]
        return sum(height * width * count for (height, width), count in zip(self.feature_maps, per_cell))


@dataclass(frozen=True)
class References:
    """Feature vectors of typical training photos and the cosine distance that most validation photos keep."""

    file: str
    count: int
    dim: int
    max_distance: float


@dataclass(frozen=True)
class Scene:
    """Quantiles (0.5% to 99.5%) of what device.runtime.scene measures on the training photos."""

    brightness: Interval
    contrast: Interval
    sharpness: Interval
    aspect: Interval
    fill: Optional[Interval] = None
    references: Optional[References] = None


@dataclass(frozen=True)
class FileEntry:
    name: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Manifest:
    schema: int
    name: str
    task: str
    labels: Tuple[Label, ...]
    input: InputSpec
    outputs: Outputs
    engines: Tuple[str, ...]
    container: str
    decision: Decision
    detection: Optional[Detection]
    scene: Optional[Scene]
    files: Tuple[FileEntry, ...]
    training: Mapping[str, Any]
    metrics: Mapping[str, Any]
    raw: Mapping[str, Any]

    @property
    def label_names(self) -> Tuple[str, ...]:
        return tuple(label.name for label in self.labels)

    def file(self, name: str) -> FileEntry:
        for entry in self.files:
            if entry.name == name:
                return entry
        raise ManifestError("files: has no %s; package the model again" % name)
