"""MXNet forward passes while training: validation, and the features of a frozen trunk."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.mxnet_import import mx
from training.progress import Progress
from training.weights import Weights

Array = NDArray[np.float32]


def channels_first(photos: NDArray[np.uint8]) -> Array:
    """(n, h, w, 3) bytes to (n, 3, h, w) float32, still 0-255."""
    return np.ascontiguousarray(photos.transpose(0, 3, 1, 2), dtype=np.float32)


class ForwardPass:
    """A symbol of one output bound to a batch size, with weights that can be changed between runs."""

    def __init__(self, symbol: Any, input_name: str, sample_shape: tuple[int, ...], batch_size: int = 64) -> None:
        self.symbol, self.input_name, self.sample_shape, self.batch_size = symbol, input_name, sample_shape, batch_size

    def use(self, weights: Mapping[str, Array]) -> None:
        # A new executor each time: MXNet's fused operators keep a reordered copy of the weights they first saw.
        shape = (self.batch_size, *self.sample_shape)
        self.executor = self.symbol.simple_bind(mx.cpu(), grad_req="null", **{self.input_name: shape})
        for held in (self.executor.arg_dict, self.executor.aux_dict):
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
        padded = np.zeros((self.batch_size, *self.sample_shape), dtype=np.float32)
        padded[: len(some)] = some
        self.executor.forward(is_train=False, **{self.input_name: mx.nd.array(padded)})
        output: Array = self.executor.outputs[0].asnumpy()[: len(some)]
        return output


def load_weights(arguments: Mapping[str, Any], auxiliary: Mapping[str, Any]) -> Weights:
    return {name: value.asnumpy() for name, value in {**arguments, **auxiliary}.items()}
