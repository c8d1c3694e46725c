"""The classification task: photos of a class each, to a network that answers with a probability per class."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.augmentation import STORED_LARGER, Augmentation, mix_up, random_views
from training.datasets.channel import read_channel
from training.fit import Fitted, Problem, fit
from training.inference import ForwardPass, load_weights
from training.layout import ContainerLayout, TrainingError
from training.metrics import balanced_log_loss, classification_scores
from training.mxnet_import import mx
from training.networks.names import FEATURES, PROBABILITIES
from training.networks.pretrained import (
    CUT,
    Backbone,
    convolutions_from_stride,
    cut_layer,
    load_backbone,
    rooted_at,
    unclipped,
)
from training.networks.small import (
    FIXED_PARAMETERS,
    evened,
    normalization_parameters,
    pixel_statistics,
    small_features,
)
from training.objective import TARGET, Head, Objective, classification_head
from training.progress import Progress
from training.samples import Samples, balanced_order, input_spec, load_samples, require_every_class
from training.settings import TrainSettings
from training.standardized import FeatureScale
from training.trained_network import ANSWERED_PHOTOS, TrainedNetwork
from training.weights import Checkpoints, Weights

Array = NDArray[np.float32]
CHUNK_PHOTOS = 256


@dataclass(frozen=True)
class ClassificationData:
    train: Samples
    validation: Samples


def load_data(layout: ContainerLayout, settings: TrainSettings, objective: Objective) -> ClassificationData:
    spec = input_spec(settings.image_size, settings.fit, settings.input_name)
    enlarge = STORED_LARGER if _augments(settings) else 1.0
    folder = layout.require_channel("train")
    labels = sorted({photo.label for photo in read_channel(folder)}, key=objective.label_order)
    train = load_samples(folder, spec, labels, enlarge)
    if len(train.labels) < 2:
        raise TrainingError(f"the channel train has one class ({train.labels[0]}): at least two are needed")
    validation = load_samples(layout.require_channel("validation"), spec, train.labels)
    return ClassificationData(train, require_every_class(validation, "validation"))


def _augments(settings: TrainSettings) -> bool:
    return settings.augment > 0 and (not settings.pretrained or settings.cached_views > 1)


def train_classifier(layout: ContainerLayout, settings: TrainSettings, checkpoints: Checkpoints) -> TrainedNetwork:
    return train_network(layout, settings, checkpoints, CLASSIFY)


def train_network(
    layout: ContainerLayout, settings: TrainSettings, checkpoints: Checkpoints, objective: Objective
) -> TrainedNetwork:
    data = load_data(layout, settings, objective)
    if settings.pretrained:
        folder = layout.channel("pretrained") or Path()
        return train_on_backbone(data, settings, checkpoints, objective, folder / settings.pretrained)
    return train_from_scratch(data, settings, checkpoints, objective)


def train_from_scratch(
    data: ClassificationData, settings: TrainSettings, checkpoints: Checkpoints, objective: Objective
) -> TrainedNetwork:
    features = small_features(settings, mx.sym.Variable(settings.input_name))
    head = objective.head(features, len(data.train.labels), settings)
    initial = load_weights(*normalization_parameters(*pixel_statistics(data.train.photos, settings.contrast)))
    sample_shape = (3, settings.image_size, settings.image_size)
    augmentation = Augmentation(settings.augment, settings.flip)

    def views(chosen: NDArray[np.int64], rng: np.random.Generator) -> Array:
        return random_views(data.train.photos[chosen], settings.image_size, augmentation, rng)

    inputs = _Inputs(settings.input_name, sample_shape, views, data.validation.photos)
    fitted = _fit_head(head, inputs, data, initial, settings, checkpoints, objective)
    return _trained(head.answer, fitted.weights, fitted, data)


def train_on_backbone(
    data: ClassificationData, settings: TrainSettings, checkpoints: Checkpoints, objective: Objective, prefix: Path
) -> TrainedNetwork:
    """Features below the cut are computed once a photo; only what is above it trains."""
    photos = mx.sym.Variable(settings.input_name)
    backbone = load_backbone(prefix, evened(photos) if settings.contrast else photos, settings.pooled_stages)
    mean, deviation = [settings.pixel_mean] * 3, [settings.pixel_std] * 3
    frozen = {
        **load_weights(*normalization_parameters(mean, deviation)),
        **load_weights(backbone.arguments, backbone.auxiliary),
    }
    cut = cut_layer(backbone, _trainable(backbone, settings))
    features = unclipped(backbone.features, cut) if settings.unclip else backbone.features
    head = objective.head(features, len(data.train.labels), settings)
    tail = Head(rooted_at(head.loss, cut), rooted_at(head.answer, cut))
    if settings.input_name in tail.loss.list_arguments():
        raise TrainingError("pooled_stages reaches below the layers that train: raise finetune_layers, or pool fewer")
    cached = _frozen_features(backbone, cut, frozen, data, settings, checkpoints.folder)
    scale = FeatureScale.of(cached.train[0]) if settings.standardize else None
    if scale:
        cached = _CachedFeatures(
            [scale.standardize(view) for view in cached.train], scale.standardize(cached.validation)
        )

    def views(chosen: NDArray[np.int64], rng: np.random.Generator) -> Array:
        seen = rng.integers(len(cached.train), size=len(chosen))
        return np.stack([cached.train[view][photo] for view, photo in zip(seen, chosen, strict=True)]).astype(
            np.float32
        )

    inputs = _Inputs(CUT, cached.validation.shape[1:], views, cached.validation)
    fitted = _fit_head(tail, inputs, data, frozen, settings, checkpoints, objective)
    trained = scale.folded(fitted.weights) if scale else fitted.weights
    return _trained(head.answer, {**frozen, **trained}, fitted, data)


def _trainable(backbone: Backbone, settings: TrainSettings) -> int:
    if settings.finetune_stride:
        return convolutions_from_stride(backbone, settings.finetune_stride, settings.image_size)
    return settings.finetune_layers


def _trained(answer: Any, weights: Weights, fitted: Fitted, data: ClassificationData) -> TrainedNetwork:
    some = data.validation.photos[:: max(1, len(data.validation) // ANSWERED_PHOTOS)][:ANSWERED_PHOTOS]
    outputs = {"probabilities": PROBABILITIES, "features": FEATURES}
    return TrainedNetwork(answer, weights, data.train.labels, fitted.history, fitted.seconds, some, outputs)


@dataclass(frozen=True)
class _CachedFeatures:
    """train: one array a view, in the order of the photos; half precision where there is much of it."""

    train: list[NDArray[np.floating[Any]]]
    validation: NDArray[np.floating[Any]]


def _frozen_features(
    backbone: Backbone, cut: str, frozen: Weights, data: ClassificationData, settings: TrainSettings, folder: Path
) -> _CachedFeatures:
    """The training photos in `cached_views` views each, the first of them as it is. Kept beside the checkpoints."""
    trunk = backbone.features.get_internals()[cut]
    size = settings.image_size
    forward = ForwardPass(trunk, settings.input_name, (3, size, size), batch_size=16)
    forward.use(frozen)

    def computed(name: str, chunks: Iterator[NDArray[np.uint8] | Array]) -> NDArray[np.floating[Any]]:
        kept = folder / f"features-{name}.npy"
        if not kept.exists():
            parts = [forward.run(chunk) for chunk in chunks]
            is_large = parts[0].ndim > 2
            folder.mkdir(parents=True, exist_ok=True)
            partial = folder / f".{name}.npy"
            try:
                np.save(partial, np.concatenate([part.astype(np.float16) if is_large else part for part in parts]))
                partial.replace(kept)
            finally:
                partial.unlink(missing_ok=True)
        features: NDArray[np.floating[Any]] = np.load(kept, mmap_mode="r")
        return features

    photos = data.train.photos
    progress = Progress("frozen features", len(photos) * settings.cached_views + len(data.validation))
    views = [computed("train", (_plain(chunk, size) for chunk in _chunks(photos, progress)))]
    augmentation = Augmentation(settings.augment, settings.flip)
    for view in range(1, settings.cached_views):
        rng = np.random.default_rng([settings.seed, view])
        varied = (random_views(chunk, size, augmentation, rng) for chunk in _chunks(photos, progress))
        views.append(computed(f"train-view{view}", varied))
    return _CachedFeatures(views, computed("validation", _chunks(data.validation.photos, progress)))


def _chunks(photos: NDArray[np.uint8], progress: Progress) -> Iterator[NDArray[np.uint8]]:
    for start in range(0, len(photos), CHUNK_PHOTOS):
        yield photos[start : start + CHUNK_PHOTOS]
        progress.advance(len(photos[start : start + CHUNK_PHOTOS]))


def _plain(photos: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    if photos.shape[1] == size:
        return photos
    still = Augmentation(strength=0.0, flip="none", zoom=(1.0, 1.0))
    rng = np.random.default_rng(0)
    views = np.concatenate([random_views(photo[None], size, still, rng) for photo in photos])
    return views.transpose(0, 2, 3, 1).astype(np.uint8)


@dataclass(frozen=True)
class _Inputs:
    """What the trained part of the network sees: `views` of chosen training photos, and the validation photos."""

    name: str
    sample_shape: tuple[int, ...]
    views: Callable[[NDArray[np.int64], np.random.Generator], Array]
    validation: NDArray[Any]


def _fit_head(
    head: Head,
    inputs: _Inputs,
    data: ClassificationData,
    initial: Weights,
    settings: TrainSettings,
    checkpoints: Checkpoints,
    objective: Objective,
) -> Fitted:
    targets, classes = data.train.targets, len(data.train.labels)
    size = min(settings.batch_size, len(targets))
    smoothed = objective.targets(classes, settings)

    def batches(epoch: int) -> Iterator[tuple[Mapping[str, Array], Mapping[str, Array]]]:
        rng = np.random.default_rng([settings.seed, epoch])
        order = balanced_order(targets, settings.class_balance, rng)
        for start in range(0, len(order) - size + 1, size):
            chosen = order[start : start + size]
            mixed, mixed_targets = mix_up(inputs.views(chosen, rng), smoothed[targets[chosen]], settings.mixup, rng)
            yield {inputs.name: mixed}, {TARGET: mixed_targets}

    forward = ForwardPass(head.answer, inputs.name, inputs.sample_shape)

    def score(weights: Weights) -> Mapping[str, float]:
        forward.use({**initial, **weights})
        return objective.score(forward.run(inputs.validation), data.validation.targets)

    problem = Problem(
        loss=head.loss,
        data_shapes={inputs.name: (size, *inputs.sample_shape)},
        target_shapes={TARGET: (size, classes)},
        batches=batches,
        steps_per_epoch=len(targets) // size,
        score=score,
        initial=initial,
        fixed=tuple(name for name in FIXED_PARAMETERS if name in head.loss.list_arguments()),
    )
    return fit(problem, settings, checkpoints)


def smoothed_targets(classes: int, smoothing: float) -> Array:
    """Row k: the target distribution of class k."""
    return np.eye(classes, dtype=np.float32) * np.float32(1 - smoothing) + np.float32(smoothing / classes)


def classification_score(probabilities: Array, targets: NDArray[np.int64]) -> Mapping[str, float]:
    scores = classification_scores(probabilities, targets)
    return {
        "validation_loss": balanced_log_loss(probabilities, targets),
        "validation_accuracy": scores.accuracy,
        "validation_macro_recall": scores.macro_recall,
    }


CLASSIFY = Objective(
    head=lambda features, classes, settings: classification_head(features, classes, settings.dropout),
    targets=lambda classes, settings: smoothed_targets(classes, settings.label_smoothing),
    score=classification_score,
)
