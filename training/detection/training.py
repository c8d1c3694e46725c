"""The detection task: frames with boxes, to a network that answers with scores and offsets of its prior boxes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.detection.anchors import fit_anchors
from training.detection.augmentation import ObjectPool, augment, compose_frames
from training.detection.channel import load_frames, read_boxed_photos, require_every_class
from training.detection.evaluation import choose_thresholds, evaluate_detections
from training.detection.frames import Frame, batch_labels, batch_pixels
from training.detection.options import DetectionOptions
from training.fit import Problem, fit
from training.inference import ForwardPass, load_weights
from training.layout import ContainerLayout, TrainingError
from training.networks.small import normalization_parameters, pixel_statistics
from training.networks.ssd import (
    OFFSETS,
    PROBABILITIES,
    TARGET,
    Heads,
    SsdSpec,
    build_heads,
    deploy_symbol,
    loss_symbol,
)
from training.networks.ssd_backbone import FeatureMaps, pretrained_feature_maps, small_feature_maps
from training.samples import input_spec
from training.settings import TrainSettings
from training.trained_network import ANSWERED_PHOTOS, TrainedNetwork
from training.weights import Checkpoints, Weights

Array = NDArray[np.float32]
SCORING_BATCH = 8
LABEL_ROOM = 4  # boxes a frame may gain by composition beyond those it has


@dataclass(frozen=True)
class DetectionData:
    labels: tuple[str, ...]
    train: tuple[Frame, ...]
    validation: tuple[Frame, ...]


def load_data(layout: ContainerLayout, settings: TrainSettings, options: DetectionOptions) -> DetectionData:
    """Validation frames come with frames composed of their objects, so that sums of several are judged as well."""
    spec = input_spec(settings.image_size, settings.fit, settings.input_name)
    train = read_boxed_photos(layout.require_channel("train"), options.labels or None)
    validation = read_boxed_photos(layout.require_channel("validation"), train.labels)
    for part in (train, validation):
        print("\n".join(part.report.lines()), flush=True)
    require_every_class(train.labels, train.photos, "train")
    frames = load_frames(validation.photos, spec)
    composed = compose_frames(frames, options.composed_per_frame * len(frames), options.added_objects, settings.seed)
    if not frames:
        raise TrainingError("the channel validation has no frame")
    return DetectionData(train.labels, tuple(load_frames(train.photos, spec)), (*frames, *composed))


def train_detector(layout: ContainerLayout, settings: TrainSettings, checkpoints: Checkpoints) -> TrainedNetwork:
    """Its symbol ends in priors and suppression, for DeepLens and `mo`; what is served are the heads before them."""
    options = DetectionOptions.parse(settings.options)
    data = load_data(layout, settings, options)
    values = options.values_of(data.labels)
    maps, initial = build_feature_maps(layout, settings, options, data.train)
    spec = SsdSpec(
        len(data.labels),
        fit_anchors(data.train, len(maps.symbols), options.ratios),
        nms_threshold=options.nms_threshold,
    )
    heads = build_heads(maps.symbols, spec)
    scorer = _Scorer(heads, spec, settings, data, values)
    problem = _problem(heads, spec, settings, options, data, initial, maps.fixed, scorer)
    fitted = fit(problem, settings, checkpoints)
    return TrainedNetwork(
        answer=deploy_symbol(heads, spec),
        weights={**initial, **fitted.weights},
        labels=data.labels,
        history=fitted.history,
        seconds=fitted.seconds,
        some_photos=np.stack([frame.pixels for frame in data.validation[:ANSWERED_PHOTOS]]),
        outputs={"probabilities": PROBABILITIES, "offsets": OFFSETS},
        facts={
            "values": dict(zip(data.labels, values, strict=True)),
            "detection": detection_block(spec, maps.sizes(settings.image_size, settings.image_size)),
        },
    )


def detection_block(spec: SsdSpec, feature_maps: tuple[tuple[int, int], ...]) -> dict[str, Any]:
    """As the manifest has it: all the runtime needs to make boxes of the heads."""
    return {
        "feature_maps": [list(shape) for shape in feature_maps],
        "sizes": [list(layer.sizes) for layer in spec.layers],
        "ratios": [list(layer.ratios) for layer in spec.layers],
        "variances": list(spec.variances),
        "nms_threshold": spec.nms_threshold,
        "max_boxes": spec.max_boxes,
        "label_base": 0,
    }


def build_feature_maps(
    layout: ContainerLayout, settings: TrainSettings, options: DetectionOptions, frames: Sequence[Frame]
) -> tuple[FeatureMaps, Weights]:
    if settings.pretrained:
        prefix = (layout.channel("pretrained") or Path()) / settings.pretrained
        maps = pretrained_feature_maps(prefix, settings.image_size, settings.finetune_layers)
        normal = normalization_parameters([settings.pixel_mean] * 3, [settings.pixel_std] * 3)
    else:
        channels = [int(text) for text in settings.channels.split(",")]
        maps = small_feature_maps(channels, options.maps)
        normal = normalization_parameters(*pixel_statistics(np.stack([frame.pixels for frame in frames])))
    return maps, {**load_weights(*normal), **load_weights(maps.parameters, {})}


class _Scorer:
    """Validation: the loss, and what suppression leaves of the answers."""

    def __init__(
        self,
        heads: Heads,
        spec: SsdSpec,
        settings: TrainSettings,
        data: DetectionData,
        values: tuple[float | None, ...],
    ) -> None:
        self.data, self.values, self.spec = data, values, spec
        shape = (3, settings.image_size, settings.image_size)
        self.detect = ForwardPass(deploy_symbol(heads, spec), settings.input_name, shape, SCORING_BATCH)
        self.pixels = np.stack([frame.pixels for frame in data.validation])

    def detections(self, weights: Weights) -> list[Array]:
        self.detect.use(weights)
        return [rows[rows[:, 0] >= 0] for rows in self.detect.run(self.pixels)]

    def __call__(self, weights: Weights) -> Mapping[str, float]:
        detections = self.detections(weights)
        thresholds = choose_thresholds(detections, self.data.validation, self.spec.classes)
        metrics = evaluate_detections(detections, self.data.validation, thresholds, self.values)
        map50 = metrics.map50 or 0.0
        figures = {
            # What is wanted is boxes in place and counts right; the loss itself counts ten thousand easy priors.
            "validation_loss": (1.0 - map50) + (1.0 - metrics.count_right),
            "validation_map50": map50,
            "validation_count_right": metrics.count_right,
        }
        return figures if metrics.sum_right is None else {**figures, "validation_sum_right": metrics.sum_right}


def _problem(
    heads: Heads,
    spec: SsdSpec,
    settings: TrainSettings,
    options: DetectionOptions,
    data: DetectionData,
    initial: Weights,
    fixed: Sequence[str],
    scorer: _Scorer,
) -> Problem:
    size = min(settings.batch_size, len(data.train))
    room = max(frame.count for frame in data.train) + max(LABEL_ROOM, options.added_objects)
    augmentation = options.augmentation(settings.augment)
    loss, pool = loss_symbol(heads, spec), ObjectPool.of(data.train)

    def batches(epoch: int) -> Iterator[tuple[Mapping[str, Array], Mapping[str, Array]]]:
        random = np.random.RandomState([settings.seed, epoch])
        order = random.permutation(len(data.train))
        for start in range(0, len(order) - size + 1, size):
            chosen = [data.train[index] for index in order[start : start + size]]
            if settings.augment > 0:
                chosen = [augment(frame, pool, augmentation, random) for frame in chosen]
            yield {settings.input_name: batch_pixels(chosen)}, {TARGET: batch_labels(chosen, room)}

    side = settings.image_size
    return Problem(
        loss=loss,
        data_shapes={settings.input_name: (size, 3, side, side)},
        target_shapes={TARGET: (size, room, 5)},
        batches=batches,
        steps_per_epoch=len(data.train) // size,
        score=scorer,
        initial=initial,
        fixed=tuple(name for name in fixed if name in loss.list_arguments()),
    )
