"""EndpointRuntime inside this process: every model is a loaded predictor, kept by digest."""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib.adapters.embedded.photos_under_way import PhotosUnderWay
from chalicelib.adapters.image_problems import domain_error
from chalicelib.domain.capacity import Capacity
from chalicelib.domain.errors import BlobNotFoundError, EndpointFailedError, ModelUnavailableError, ProofFailedError
from chalicelib.domain.inference import Prediction, ServedModel
from chalicelib.domain.model import artifact_name
from chalicelib.domain.ports import BlobStore, EndpointRuntime, EndpointState, EndpointStatus
from device.runtime.artifact import ArtifactError, unpack
from device.runtime.decision import ModelOutputError
from device.runtime.engines import EngineError
from device.runtime.image_errors import InvalidImageError
from device.runtime.manifest import MANIFEST_FILE, ManifestError
from device.runtime.predictor import Predictor
from device.runtime.self_test import SelfTestError

MAX_LOADED = 6


@dataclass(frozen=True)
class LoadedModel:
    """alone: for a photo that has every core. among_others: it takes one, which costs a tenth less for each photo."""

    alone: Predictor
    among_others: Predictor


class InProcessRuntime(EndpointRuntime):
    def __init__(self, blobs: BlobStore, cache: Path, engine: str = "onnxruntime", threads: int | None = None) -> None:
        """`cache` holds unpacked artifacts, a folder a digest; it can be deleted at any time.

        `threads`: of an engine; None: every core for a photo that is alone, else one.
        """
        self._blobs = blobs
        self._cache = cache
        self._engine = engine
        self._threads = threads
        self.under_way = PhotosUnderWay()
        self._second_core = ThreadPoolExecutor(1, "scene")
        self._loaded: OrderedDict[str, LoadedModel] = OrderedDict()
        # What was made here, and how each of it stands: of endpoints their digests, of digests their states.
        self._made: dict[str, str] = {}
        self._states: dict[str, EndpointStatus] = {}
        self._loading = threading.Lock()
        # Never held while a model loads: the others go on answering.
        self._touching = threading.Lock()

    def capacity(self) -> Capacity | None:
        """Models beyond `MAX_LOADED` take turns in memory: slower, but nothing is refused."""
        return None

    def create(self, served: ServedModel, settings: Mapping[str, Any]) -> None:
        """Load the version beside the live one. Raises: ModelUnavailableError."""
        self._made[served.endpoint] = served.digest
        self.load(served.digest)

    def describe(self, endpoint: str) -> EndpointStatus:
        """Absent in a process that has not made it, also after a restart: it is made again, which takes a moment."""
        digest = self._made.get(endpoint)
        if digest is None:
            return EndpointStatus(EndpointState.ABSENT)
        return self._states.get(digest, EndpointStatus(EndpointState.CREATING))

    def delete(self, endpoint: str) -> None:
        """Predictors are kept by digest and dropped when they are the least used."""
        self._made.pop(endpoint, None)

    def predict(self, served: ServedModel, image: bytes, *, deadline_s: float) -> Prediction:
        cold = served.digest not in self._loaded
        model = self.load(served.digest)
        try:
            with self.under_way.one_more() as is_alone:
                answer = (model.alone if is_alone else model.among_others).predict(image)
        except InvalidImageError as error:
            raise domain_error(error) from error
        except (EngineError, ModelOutputError) as error:
            raise EndpointFailedError(
                f"Endpoint '{served.endpoint}' gave no usable answer: {error}.", endpoint=served.endpoint
            ) from error
        return Prediction(answer.result.to_json(), answer.timings_ms, cold)

    def prove(self, served: ServedModel) -> None:
        try:
            self.load(served.digest).alone.self_test()
        except SelfTestError as error:
            raise ProofFailedError(f"Model {served.model_id} does not answer its own test photo: {error}.") from error

    def load(self, digest: str) -> LoadedModel:
        """Once for all who ask. Raises: ModelUnavailableError."""
        model = self._touched(digest)
        if model is not None:
            return model
        with self._loading:
            return self._touched(digest) or self._load(digest)

    def _touched(self, digest: str) -> LoadedModel | None:
        """The model, if it is loaded, as the one used last."""
        with self._touching:
            if digest in self._loaded:
                self._loaded.move_to_end(digest)
            return self._loaded.get(digest)

    def _load(self, digest: str) -> LoadedModel:
        folder = self._cache / digest
        self._states[digest] = EndpointStatus(EndpointState.CREATING)
        try:
            self._unpack(digest, folder)
            model = self._read(folder)
        except (BlobNotFoundError, ArtifactError, ManifestError, EngineError, OSError) as error:
            self._states[digest] = EndpointStatus(EndpointState.FAILED, str(error))
            raise ModelUnavailableError(
                f"The promoted model's artifact {digest[:12]} cannot be loaded: {error}. Promote another model.",
                retry_after_s=30,
            ) from error
        # One that is dropped later to make room stays in service: it is loaded again when it is asked.
        self._states[digest] = EndpointStatus(EndpointState.IN_SERVICE)
        with self._touching:
            self._loaded[digest] = model
            while len(self._loaded) > MAX_LOADED:
                self._loaded.popitem(last=False)
        return model

    def _read(self, folder: Path) -> LoadedModel:
        if self._threads is not None or os.cpu_count() == 1:
            only = Predictor.load(folder, self._engine, self._threads)
            return LoadedModel(only, only)
        alone = Predictor.load(folder, self._engine, beside=self._second_core)
        return LoadedModel(alone, Predictor.load(folder, self._engine, threads=1))

    def _unpack(self, digest: str, folder: Path) -> None:
        """The server and its timer may want the same model at once: one unpacks it, the other finds it there."""
        self._cache.mkdir(parents=True, exist_ok=True)
        with (self._cache / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if (folder / MANIFEST_FILE).exists():
                return
            shutil.rmtree(folder, ignore_errors=True)
            archive = self._cache / f"{digest}.tar.gz"
            try:
                self._blobs.fetch(artifact_name(digest), archive)
                unpack(archive, folder, digest)
            finally:
                archive.unlink(missing_ok=True)
