"""What the simulated cameras have downloaded: kept once for all of them, by digest, and really run."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import threading
from pathlib import Path
from typing import Any, Callable, Dict, List, Sequence, Tuple

from device.runtime.artifact import ArtifactError, unpack
from device.runtime.manifest import ManifestError
from device.runtime.predictor import Predictor

MAX_FRAMES = 16


class DownloadError(RuntimeError):
    """`code` is the report's failure code."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class ModelShelf:
    """Loaded predictors by digest, and the answers that they computed, by digest and photo; never expected answers."""

    def __init__(self, engine: str = "onnxruntime", frames: Sequence[bytes] = ()) -> None:
        """frames: photos that the cameras look at between two checks; without any, the golden ones that they know."""
        self._engine = engine
        self._frames = list(frames)
        self._seen: Dict[Tuple[str, int], List[Tuple[bool, float]]] = {}
        self._folder = Path(tempfile.mkdtemp(prefix="binsight-fleet-"))
        self._archives: Dict[str, bytes] = {}
        self._predictors: Dict[str, Predictor] = {}
        self._answers: Dict[Tuple[str, str], Dict[str, Any]] = {}
        self._photos: Dict[str, bytes] = {}
        self._lock = threading.Lock()

    def take(self, digest: str, download: Callable[[], bytes], is_corrupt: bool = False) -> None:
        """Have the model ready to run. Raises: DownloadError."""
        archive = self._archives.get(digest)
        if archive is None:
            archive = download()
        if is_corrupt:
            archive = archive[:-1] + bytes([archive[-1] ^ 1])
        if (is_corrupt or digest not in self._archives) and hashlib.sha256(archive).hexdigest() != digest:
            raise DownloadError("digest", "the archive's digest is not the target's")
        self._archives[digest] = archive
        if digest not in self._predictors:
            with self._lock:
                self._load(digest, archive)

    def answers(self, digest: str, photo: str, sha256: str, fetch: Callable[[], bytes]) -> Dict[str, Any]:
        """What this model answers to the photo: computed by running it, once."""
        key = (digest, sha256)
        if key not in self._answers:
            if sha256 not in self._photos:
                data = fetch()
                if hashlib.sha256(data).hexdigest() != sha256:
                    raise DownloadError("digest", "golden photo %s is not the one that the target names" % photo)
                self._photos[sha256] = data
            answer = self._predictors[digest].predict(self._photos[sha256]).result.to_json()
            self._answers[key] = {name: answer[name] for name in ("probabilities", "detections") if name in answer}
        return self._answers[key]

    def seen(self, digest: str) -> List[Tuple[bool, float]]:
        """Of each frame, whether this model knows it not, and its confidence: computed by running it, once."""
        frames = self._frames or list(self._photos.values())[:MAX_FRAMES]
        key = (digest, len(frames))
        if key not in self._seen:
            answers = [self._predictors[digest].predict(frame).result for frame in frames]
            self._seen[key] = [(answer.unknown, float(answer.confidence or 0.0)) for answer in answers]
        return self._seen[key]

    def close(self) -> None:
        shutil.rmtree(str(self._folder), ignore_errors=True)

    def _load(self, digest: str, archive: bytes) -> None:
        if digest in self._predictors:
            return
        packed, folder = self._folder / (digest + ".tar.gz"), self._folder / digest
        packed.write_bytes(archive)
        try:
            unpack(packed, folder, digest)
            predictor = Predictor.load(folder, engine=self._engine, threads=1)
            predictor.self_test()
        except (ArtifactError, ManifestError) as error:
            raise DownloadError("manifest", str(error)) from error
        self._predictors[digest] = predictor
