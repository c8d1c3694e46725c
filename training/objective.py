"""Heads: what a network is trained on, and what it answers with once it is trained."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.mxnet_import import mx
from training.networks.names import HEAD, PROBABILITIES
from training.settings import TrainSettings

TARGET = "target"


@dataclass(frozen=True)
class Head:
    """`loss` is one number a sample (n,), for training; `answer` has the softmax output that is exported."""

    loss: Any
    answer: Any


@dataclass(frozen=True)
class Objective:
    """What sets one task of labelled photos apart from another.

    `head(features, labels, settings)`; `targets(labels, settings)` has the target distribution of label k in row k;
    `score(probabilities, targets)` has a `validation_loss`; `label_order` sorts the labels.
    """

    head: Callable[[Any, int, TrainSettings], Head]
    targets: Callable[[int, TrainSettings], NDArray[np.float32]]
    score: Callable[[NDArray[np.float32], NDArray[np.int64]], Mapping[str, float]]
    label_order: Callable[[str], Any] = str


def classification_head(features: Any, classes: int, dropout: float = 0.0) -> Head:
    """Cross entropy against a distribution (n, classes), so that mixed and smoothed targets are possible."""
    trained_on = mx.sym.Dropout(features, p=dropout) if dropout else features
    weight, bias = mx.sym.Variable(f"{HEAD}_weight"), mx.sym.Variable(f"{HEAD}_bias")
    scores = mx.sym.FullyConnected(trained_on, weight, bias, num_hidden=classes, name=HEAD)
    target = mx.sym.Variable(TARGET)
    entropy = -mx.sym.sum(target * mx.sym.log_softmax(scores), axis=1)
    served = mx.sym.FullyConnected(features, weight, bias, num_hidden=classes, name=HEAD)
    return Head(mx.sym.MakeLoss(entropy, name="loss"), mx.sym.SoftmaxOutput(served, name=PROBABILITIES))
