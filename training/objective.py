"""Heads: what a network is trained on, and what it answers with once it is trained."""

from dataclasses import dataclass
from typing import Any

from training.mxnet_import import mx
from training.networks.small import HEAD, PROBABILITIES

TARGET = "target"


@dataclass(frozen=True)
class Head:
    """`loss` is one number a sample (n,), for training; `answer` has the softmax output that is exported."""

    loss: Any
    answer: Any


def classification_head(features: Any, classes: int, dropout: float = 0.0) -> Head:
    """Cross entropy against a distribution (n, classes), so that mixed and smoothed targets are possible."""
    trained_on = mx.sym.Dropout(features, p=dropout) if dropout else features
    weight, bias = mx.sym.Variable(f"{HEAD}_weight"), mx.sym.Variable(f"{HEAD}_bias")
    scores = mx.sym.FullyConnected(trained_on, weight, bias, num_hidden=classes, name=HEAD)
    target = mx.sym.Variable(TARGET)
    entropy = -mx.sym.sum(target * mx.sym.log_softmax(scores), axis=1)
    served = mx.sym.FullyConnected(features, weight, bias, num_hidden=classes, name=HEAD)
    return Head(mx.sym.MakeLoss(entropy, name="loss"), mx.sym.SoftmaxOutput(served, name=PROBABILITIES))
