"""A model, loaded: photos in, answers out, the same wherever it runs."""

from __future__ import annotations

import time
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, Optional, Tuple, Union

import numpy as np
from PIL import Image

from device.runtime import ssd
from device.runtime.decision import (
    ClassificationDecision,
    CountDecision,
    DetectionDecision,
    ModelOutputError,
    RawBox,
    decide_classification,
    decide_count,
    decide_detections,
)
from device.runtime.engines import BOXES, Engine, EngineError, load_engine
from device.runtime.fit import fit_image
from device.runtime.image import decode_image, reduce_image
from device.runtime.image_errors import InvalidImageError
from device.runtime.image_header import MAX_PIXELS, read_header
from device.runtime.manifest import Manifest, read_manifest
from device.runtime.references import cosine_distance, load_references
from device.runtime.scene import SceneMeasurement, measure_scene
from device.runtime.self_test import SelfTestError, check_detections, check_probabilities, read_self_test
from device.runtime.tensor import to_tensor

if TYPE_CHECKING:
    from device.runtime.tensor import FloatArray

Result = Union[ClassificationDecision, CountDecision, DetectionDecision]
Size = Tuple[int, int]

# Boxes less sure than this are noise: they are not even looked at for ambiguity.
_MIN_SCORE = 0.01


@dataclass(frozen=True)
class Answer:
    """probabilities: as the network gave them, empty for detect. distance: to the nearest reference features."""

    result: Result
    probabilities: Tuple[float, ...]
    boxes: Tuple[RawBox, ...]
    features: Optional[FloatArray]
    distance: Optional[float]
    scene: SceneMeasurement
    timings_ms: Mapping[str, float]


@dataclass
class Stages:
    """Milliseconds by stage."""

    timings_ms: Dict[str, float] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)

    def begin(self) -> None:
        """Leaves out the time that passed since the last stage."""
        self.started = time.perf_counter()

    def end(self, stage: str) -> None:
        now = time.perf_counter()
        self.timings_ms[stage] = round((now - self.started) * 1000, 3)
        self.started = now


@dataclass(frozen=True)
class Prepared:
    """A photo as the engine takes it, and what is measured of it on the way; `scene` waits until it is."""

    tensor: FloatArray
    scene: Callable[[], SceneMeasurement]
    photo_size: Size
    stages: Stages


class Predictor:
    """Safe to use from several threads. beside: where a photo's scene is measured while it is fitted and answered."""

    def __init__(
        self,
        manifest: Manifest,
        engine: Engine,
        folder: Path,
        references: Optional[FloatArray] = None,
        beside: Optional[Executor] = None,
    ) -> None:
        self._beside = beside
        self.manifest = manifest
        self.engine = engine
        self.folder = folder
        self._references = references
        self._anchors = ssd.priors(manifest.detection) if manifest.detection else None

    @classmethod
    def load(
        cls,
        folder: Path,
        engine: str = "onnxruntime",
        threads: Optional[int] = None,
        beside: Optional[Executor] = None,
    ) -> Predictor:
        """folder: of an unpacked artifact. Raises: ManifestError, EngineError, EngineUnavailableError."""
        manifest = read_manifest(folder)
        references = load_references(folder, manifest)
        return cls(manifest, load_engine(engine, folder, manifest, threads), folder, references, beside)

    def predict(self, data: bytes, max_pixels: int = MAX_PIXELS) -> Answer:
        """data: a JPEG, PNG or WebP. Raises: InvalidImageError, EngineError, ModelOutputError."""
        stages = Stages()
        header = read_header(data)
        image = decode_image(data, header, self.manifest.input, max_pixels)
        stages.end("decode")
        return self.answer(self._prepared(image, header.upright_size, stages))

    def predict_image(self, image: Image.Image) -> Answer:
        """image: RGB, upright. Raises: EngineError, ModelOutputError."""
        return self.answer(self.prepare(image))

    def prepare(self, image: Image.Image) -> Prepared:
        """image: RGB, upright. The part that needs no engine, so that it can go on beside the inference."""
        stages = Stages()
        reduced = reduce_image(image, self.manifest.input)
        stages.end("decode")
        return self._prepared(reduced, image.size, stages)

    def answer(self, prepared: Prepared) -> Answer:
        """prepared: by this predictor or one of the same input. Raises: EngineError, ModelOutputError."""
        stages = prepared.stages
        stages.begin()
        outputs = self.engine.run(prepared.tensor)
        stages.end("inference")
        scene = prepared.scene()
        features = self._features(outputs)
        distance = self._distance(features)
        probabilities, boxes = self._read(outputs)
        result = self._decide(probabilities, boxes, prepared.photo_size, scene, distance)
        stages.end("decide")
        return Answer(result, tuple(probabilities), tuple(boxes), features, distance, scene, stages.timings_ms)

    def self_test(self) -> None:
        """Answers the artifact's own photo and compares. Raises: SelfTestError, whatever goes wrong."""
        photo, document = read_self_test(self.folder)
        try:
            answer = self.predict(photo)
        except (InvalidImageError, EngineError, ModelOutputError) as error:
            raise SelfTestError("the model fails on its own photo: %s" % error) from error
        if isinstance(answer.result, DetectionDecision):
            check_detections(answer.result.detections, document)
        else:
            check_probabilities(answer.probabilities, document)

    def close(self) -> None:
        self.engine.close()

    def _prepared(self, image: Image.Image, photo_size: Size, stages: Stages) -> Prepared:
        scene = self._measured(image)
        tensor = to_tensor(fit_image(image, self.manifest.input), self.manifest.input)
        stages.end("preprocess")
        return Prepared(tensor, scene, photo_size, stages)

    def _measured(self, image: Image.Image) -> Callable[[], SceneMeasurement]:
        if self._beside is not None:
            return self._beside.submit(measure_scene, image).result
        scene = measure_scene(image)
        return lambda: scene

    def _features(self, outputs: Mapping[str, FloatArray]) -> Optional[FloatArray]:
        name = self.manifest.outputs.features
        # awscam gives the network's last output only; the check for what is unlike training is then skipped.
        return None if name is None or name not in outputs else outputs[name].reshape(-1)

    def _distance(self, features: Optional[FloatArray]) -> Optional[float]:
        if features is None or self._references is None:
            return None
        if features.size != self._references.shape[1] or not np.isfinite(features).all():
            raise ModelOutputError("not-finite", "the model's features are not %d finite numbers" % features.size)
        return cosine_distance(features, self._references)

    def _read(self, outputs: Mapping[str, FloatArray]) -> Tuple[List[float], List[RawBox]]:
        names, detection = self.manifest.outputs, self.manifest.detection
        if BOXES in outputs:
            return [], ssd.from_rows(outputs[BOXES], _MIN_SCORE)
        probabilities = outputs[names.probabilities]
        if self.manifest.task != "detect":
            return [float(value) for value in probabilities.reshape(-1)], []
        if detection is None or names.offsets is None or self._anchors is None:
            raise ModelOutputError("wrong-length", "the manifest has no priors for this engine's boxes")
        return [], ssd.decode(probabilities, outputs[names.offsets], self._anchors, detection, _MIN_SCORE)

    def _decide(
        self,
        probabilities: List[float],
        boxes: List[RawBox],
        photo_size: Size,
        scene: SceneMeasurement,
        distance: Optional[float],
    ) -> Result:
        if self.manifest.task == "detect":
            return decide_detections(boxes, self.manifest, photo_size, scene, distance)
        decide: Any = decide_count if self.manifest.task == "count" else decide_classification
        result: Result = decide(probabilities, self.manifest, scene, distance)
        return result
