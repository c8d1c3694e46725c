"""The one door to MXNet: puts back what newer versions of numpy and Python took away, then imports it.

MXNet 1.9.1 is the last release; its sources still name functions that numpy dropped in 1.20 - 2.0. None of the
stand-ins below is ever called by this project: `mxnet.numpy` only wants to re-export them. Everything else imports
`mx` from here.
"""

import importlib.util
import math
import os
import re
import sys
import types
import warnings
from typing import Any

import numpy as np

DROPPED_CONSTANTS = {
    "Inf": math.inf,
    "PINF": math.inf,
    "NINF": -math.inf,
    "NaN": math.nan,
    "NAN": math.nan,
    "PZERO": 0.0,
    "NZERO": -0.0,
}
# MXNet gives a device one thread, and shares out only the inside of an operator, by default to half of the cores: where
# a network trains, a batch in two parts keeps two cores busier. See docs/decisions/0044-a-batch-in-two-parts.md.
PARTS = 2
DROPPED_TYPES = {"bool": np.bool_, "int": int, "float": float, "object": object, "str": str}
DROPPED_FUNCTIONS = """
    alltrue cumproduct in1d mirr msort npv pmt ppmt product pv rate row_stack round_ sometrue trapz
"""


def put_back_dropped_names() -> None:
    for name, value in {**DROPPED_CONSTANTS, **DROPPED_TYPES}.items():
        _put_back(name, value)
    for name in DROPPED_FUNCTIONS.split():
        _put_back(name, _unavailable(name))


def _put_back(name: str, value: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # asking numpy 1.20 - 1.26 for np.bool warns
        if not hasattr(np, name):
            setattr(np, name, value)


def _unavailable(name: str) -> Any:
    def unavailable(*_: Any, **__: Any) -> Any:
        raise NotImplementedError(f"numpy.{name} is gone from this numpy")

    unavailable.__name__ = name
    return unavailable


class _Version:
    """Enough of distutils' version classes (gone since Python 3.12) for MXNet to ask how old numpy is."""

    def __init__(self, text: str) -> None:
        self.numbers = [int(number) for number in re.findall(r"\d+", text)[:3]]

    def __ge__(self, other: "_Version") -> bool:
        return self.numbers >= other.numbers

    def __lt__(self, other: "_Version") -> bool:
        return self.numbers < other.numbers


def put_back_distutils() -> None:
    if importlib.util.find_spec("distutils") is not None:
        return
    version: Any = types.ModuleType("distutils.version")
    version.LooseVersion = version.StrictVersion = _Version
    package: Any = types.ModuleType("distutils")
    package.version = version
    sys.modules.update({"distutils": package, "distutils.version": version})


def _import_mxnet() -> Any:
    put_back_dropped_names()
    put_back_distutils()
    os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count() or 1))
    os.environ.setdefault("MXNET_CUDNN_AUTOTUNE_DEFAULT", "0")
    os.environ.setdefault("DMLC_LOG_STACK_TRACE_DEPTH", "0")
    os.environ.setdefault("MXNET_SUBGRAPH_VERBOSE", "0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes and aliases inside MXNet's own files
        import mxnet

        if not hasattr(mxnet, "onnx"):
            import mxnet.onnx
    return mxnet


def contexts(batch_size: int) -> list[Any]:
    """The devices that share a batch, at most PARTS of them."""
    return [mx.cpu(part) for part in range(min(PARTS, batch_size))]


mx = _import_mxnet()
