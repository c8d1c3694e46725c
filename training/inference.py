"""MXNet forward passes while training: validation, and the features of a frozen trunk."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.mxnet_import import contexts
from training.progress import Progress
from training.weights import Weights

Array = NDArray[np.float32]


def channels_first(photos: NDArray[np.uint8]) -> Array:
    """(n, h, w, 3) bytes to (n, 3, h, w) float32, still 0-255."""
    return np.ascontiguousarray(photos.transpose(0, 3, 1, 2), dtype=np.float32)


class ForwardPass:
    """A symbol of one output bound to a batch size, with weights that can be changed between runs.

    The parts of a batch are computed at the same time, each on a device of its own.
    """

    def __init__(self, symbol: Any, input_name: str, sample_shape: tuple[int, ...], batch_size: int = 64) -> None:
        self.symbol, self.input_name, self.sample_shape, self.batch_size = symbol, input_name, sample_shape, batch_size

    def use(self, weights: Mapping[str, Array]) -> None:
        # New executors each time: MXNet's fused operators keep a reordered copy of the weights they first saw.
        devices = contexts(self.batch_size)
        shape = (-(-self.batch_size // len(devices)), *self.sample_shape)
        self.executors = [
            self.symbol.simple_bind(device, grad_req="null", **{self.input_name: shape}) for device in devices
        ]
        for executor in self.executors:
            for held in (executor.arg_dict, executor.aux_dict):
                for name, value in held.items():
                    if name in weights:
                        value[:] = weights[name]

    def run(self, samples: NDArray[Any], title: str = "") -> Array:
        """Samples (n, *shape), or photos (n, h, w, 3) as bytes, to the output (n, ...)."""
        progress = Progress(title, len(samples)) if title else None
        outputs = []
        for start in range(0, len(samples), self.batch_size):
            some = samples[start : start + self.batch_size]
            outputs.append(self._run_batch(channels_first(some) if some.dtype == np.uint8 else some))
            if progress:
                progress.advance(len(some))
        return np.concatenate(outputs)

    def _run_batch(self, some: Array) -> Array:
        size = -(-self.batch_size // len(self.executors))
        padded = np.zeros((size * len(self.executors), *self.sample_shape), dtype=np.float32)
        padded[: len(some)] = some
        for executor, part in zip(self.executors, np.split(padded, len(self.executors)), strict=True):
            executor.forward(is_train=False, **{self.input_name: part})
        outputs: Array = np.concatenate([executor.outputs[0].asnumpy() for executor in self.executors])
        return outputs[: len(some)]


def load_weights(arguments: Mapping[str, Any], auxiliary: Mapping[str, Any]) -> Weights:
    return {name: value.asnumpy() for name, value in {**arguments, **auxiliary}.items()}
