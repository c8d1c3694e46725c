"""What every engine is."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Type, TypeVar

from device.runtime.manifest_types import Manifest, Outputs

if TYPE_CHECKING:
    from device.runtime.tensor import FloatArray

# An output that stands for probabilities and offsets where the engine suppresses boxes itself: rows of label index,
# score, xmin, ymin, xmax, ymax; the box in shares of the model's input.
BOXES = "boxes"
AnEngine = TypeVar("AnEngine", bound="Engine")


class EngineError(RuntimeError):
    """The engine cannot load or run this model."""


class EngineUnavailableError(EngineError):
    """The engine cannot run here at all: the message says what is missing."""


class Engine(ABC):
    """A network, loaded once; run may be called from several threads."""

    name = ""

    @classmethod
    @abstractmethod
    def load(cls: Type[AnEngine], folder: Path, manifest: Manifest, threads: Optional[int]) -> AnEngine:
        """Raises: EngineError, EngineUnavailableError."""

    @property
    @abstractmethod
    def version(self) -> str:
        """Of the vendor's library."""

    @abstractmethod
    def run(self, tensor: FloatArray) -> Dict[str, FloatArray]:
        """tensor: as the manifest's input says. Answers the outputs that the manifest names, by name, float32.

        Raises: EngineError.
        """

    @abstractmethod
    def close(self) -> None:
        """Frees the network; run must not be called after it."""


def vendor_library(name: str, hint: str) -> Any:
    """Raises: EngineUnavailableError when the library is not installed or cannot be loaded on this machine."""
    try:
        return importlib.import_module(name)
    except (ImportError, OSError) as error:
        raise EngineUnavailableError("%s cannot be loaded (%s); %s" % (name, error, hint)) from error


def wanted_outputs(outputs: Outputs) -> List[str]:
    return [name for name in (outputs.probabilities, outputs.features, outputs.offsets) if name]


def check_names(engine: str, kind: str, wanted: List[str], present: List[str]) -> None:
    """Raises: EngineError when the network lacks a name that the manifest gives."""
    for name in wanted:
        if name not in present:
            raise EngineError(
                "%s: the network has no %s %r, it has %s; package the model again"
                % (engine, kind, name, ", ".join(present))
            )
