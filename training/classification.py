"""The classification task: photos of a class each, to a network that answers with a probability per class."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.augmentation import STORED_LARGER, Augmentation, mix_up, random_views
from training.export import ANSWERED_PHOTOS
from training.fit import Fitted, Problem, fit
from training.inference import ForwardPass, load_weights
from training.layout import ContainerLayout, TrainingError
from training.metrics import balanced_log_loss, classification_scores
from training.mxnet_import import mx
from training.networks.pretrained import CUT, Backbone, cut_layer, load_backbone, rooted_at
from training.networks.small import (
    FIXED_PARAMETERS,
    normalization_parameters,
    pixel_statistics,
    small_features,
)
from training.objective import TARGET, Head, classification_head
from training.samples import Samples, balanced_order, input_spec, load_samples, require_every_class
from training.settings import TrainSettings
from training.weights import Checkpoints, Weights

Array = NDArray[np.float32]


@dataclass(frozen=True)
class ClassificationData:
    train: Samples
    validation: Samples


@dataclass(frozen=True)
class TrainedNetwork:
    """`answer` is the whole network, raw 0-255 photos to probabilities; `weights` all it needs."""

    answer: Any
    weights: Weights
    labels: tuple[str, ...]
    history: tuple[Mapping[str, float], ...]
    seconds: float
    some_photos: NDArray[np.uint8]  # (n, height, width, 3), a few of the validation photos


def load_data(layout: ContainerLayout, settings: TrainSettings) -> ClassificationData:
    spec = input_spec(settings.image_size, settings.fit, settings.input_name)
    enlarge = STORED_LARGER if _augments(settings) else 1.0
    train = load_samples(layout.require_channel("train"), spec, enlarge=enlarge)
    if len(train.labels) < 2:
        raise TrainingError(f"the channel train has one class ({train.labels[0]}): at least two are needed")
    validation = load_samples(layout.require_channel("validation"), spec, train.labels)
    return ClassificationData(train, require_every_class(validation, "validation"))


def _augments(settings: TrainSettings) -> bool:
    return settings.augment > 0 and (not settings.pretrained or settings.cached_views > 1)


def train_classifier(layout: ContainerLayout, settings: TrainSettings, checkpoints: Checkpoints) -> TrainedNetwork:
    data = load_data(layout, settings)
    if settings.pretrained:
        folder = layout.channel("pretrained") or Path()
        return train_on_backbone(data, settings, checkpoints, folder / settings.pretrained)
    return train_from_scratch(data, settings, checkpoints)


def train_from_scratch(data: ClassificationData, settings: TrainSettings, checkpoints: Checkpoints) -> TrainedNetwork:
    features = small_features(settings, mx.sym.Variable(settings.input_name))
    head = classification_head(features, len(data.train.labels), settings.dropout)
    initial = load_weights(*normalization_parameters(*pixel_statistics(data.train.photos)))
    sample_shape = (3, settings.image_size, settings.image_size)
    augmentation = Augmentation(settings.augment, settings.flip)

    def views(chosen: NDArray[np.int64], rng: np.random.Generator) -> Array:
        return random_views(data.train.photos[chosen], settings.image_size, augmentation, rng)

    fitted = _fit_head(
        head, settings.input_name, sample_shape, views, data, data.validation.photos, initial, settings, checkpoints
    )
    return _trained(head.answer, fitted.weights, fitted, data)


def train_on_backbone(
    data: ClassificationData, settings: TrainSettings, checkpoints: Checkpoints, prefix: Path
) -> TrainedNetwork:
    """Features below the cut are computed once a photo; only what is above it trains."""
    backbone = load_backbone(prefix, mx.sym.Variable(settings.input_name))
    mean, deviation = [settings.pixel_mean] * 3, [settings.pixel_std] * 3
    frozen = {
        **load_weights(backbone.arguments, backbone.auxiliary),
        **load_weights(*normalization_parameters(mean, deviation)),
    }
    head = classification_head(backbone.features, len(data.train.labels), settings.dropout)
    cut = cut_layer(backbone, settings.finetune_layers)
    cached = _frozen_features(backbone, cut, frozen, data, settings, checkpoints.folder)
    tail = Head(rooted_at(head.loss, cut), rooted_at(head.answer, cut))
    views_per_photo = len(cached["train"]) // len(data.train)

    def views(chosen: NDArray[np.int64], rng: np.random.Generator) -> Array:
        return cached["train"][chosen * views_per_photo + rng.integers(views_per_photo, size=len(chosen))]

    shape = cached["train"].shape[1:]
    fitted = _fit_head(tail, CUT, shape, views, data, cached["validation"], frozen, settings, checkpoints)
    return _trained(head.answer, {**frozen, **fitted.weights}, fitted, data)


def _trained(answer: Any, weights: Weights, fitted: Fitted, data: ClassificationData) -> TrainedNetwork:
    some = data.validation.photos[:: max(1, len(data.validation) // ANSWERED_PHOTOS)][:ANSWERED_PHOTOS]
    return TrainedNetwork(answer, weights, data.train.labels, fitted.history, fitted.seconds, some)


def _frozen_features(
    backbone: Backbone, cut: str, frozen: Weights, data: ClassificationData, settings: TrainSettings, folder: Path
) -> dict[str, Array]:
    """By split; the training photos in `cached_views` views each, the first of them as it is. Kept beside checkpoints."""
    trunk = backbone.features.get_internals()[cut]
    size = settings.image_size
    forward = ForwardPass(trunk, settings.input_name, (3, size, size), batch_size=16)
    forward.use(frozen)

    def computed(name: str, photos: NDArray[np.uint8] | Array) -> Array:
        kept = folder / f"features-{name}.npy"
        if kept.exists():
            return np.load(kept)
        features = forward.run(photos, f"features of {name}")
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f".{name}.npy"
        np.save(partial, features)
        partial.replace(kept)
        return features

    views = [computed("train", _plain(data.train.photos, size))]
    augmentation = Augmentation(settings.augment, settings.flip)
    for view in range(1, settings.cached_views):
        rng = np.random.default_rng([settings.seed, view])
        photos = random_views(data.train.photos, size, augmentation, rng)
        views.append(computed(f"train-view{view}", photos.transpose(0, 2, 3, 1).astype(np.uint8)))
    interleaved = np.stack(views, axis=1).reshape(-1, *views[0].shape[1:])
    return {"train": interleaved, "validation": computed("validation", data.validation.photos)}


def _plain(photos: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    if photos.shape[1] == size:
        return photos
    still = Augmentation(strength=0.0, flip="none", zoom=(1.0, 1.0))
    rng = np.random.default_rng(0)
    views = np.concatenate([random_views(photo[None], size, still, rng) for photo in photos])
    return views.transpose(0, 2, 3, 1).astype(np.uint8)


def _fit_head(
    head: Head,
    input_name: str,
    sample_shape: tuple[int, ...],
    views: Callable[[NDArray[np.int64], np.random.Generator], Array],
    data: ClassificationData,
    validation_inputs: NDArray[np.uint8] | Array,
    initial: Weights,
    settings: TrainSettings,
    checkpoints: Checkpoints,
) -> Fitted:
    targets, classes = data.train.targets, len(data.train.labels)
    size = min(settings.batch_size, len(targets))
    smoothed = smoothed_targets(classes, settings.label_smoothing)

    def batches(epoch: int) -> Iterator[tuple[Mapping[str, Array], Mapping[str, Array]]]:
        rng = np.random.default_rng([settings.seed, epoch])
        order = balanced_order(targets, settings.class_balance, rng)
        for start in range(0, len(order) - size + 1, size):
            chosen = order[start : start + size]
            mixed, mixed_targets = mix_up(views(chosen, rng), smoothed[targets[chosen]], settings.mixup, rng)
            yield {input_name: mixed}, {TARGET: mixed_targets}

    forward = ForwardPass(head.answer, input_name, sample_shape)

    def score(weights: Weights) -> Mapping[str, float]:
        forward.use({**initial, **weights})
        probabilities = forward.run(validation_inputs)
        scores = classification_scores(probabilities, data.validation.targets)
        return {
            "validation_loss": balanced_log_loss(probabilities, data.validation.targets),
            "validation_accuracy": scores.accuracy,
            "validation_macro_recall": scores.macro_recall,
        }

    problem = Problem(
        loss=head.loss,
        data_shapes={input_name: (size, *sample_shape)},
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
