"""The loop: a frame, an answer, to everyone who wants it. It waits for nothing but the camera and the engine."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Tuple

from device.frame_source import Frame, FrameSource
from device.guard import guarded
from device.runtime.decision import ModelOutputError
from device.runtime.engines import EngineError
from device.runtime.image_errors import InvalidImageError
from device.runtime.predictor import Answer, Predictor, Prepared
from device.tally import Tally

if TYPE_CHECKING:
    from PIL.Image import Image

    from device.runtime.manifest import Manifest

log = logging.getLogger(__name__)
# So many failures in a row are no bad luck.
BROKEN_AFTER = 10
_NO_ANSWER_S = 120.0


class Seen(NamedTuple):
    """One frame and what the model says of it."""

    frame: Frame
    answer: Answer
    digest: str
    manifest: Manifest


class NoAnswerError(RuntimeError):
    """The loop's engine cannot answer: there is no model, or it fails."""


class _Question:
    def __init__(self, photos: Mapping[str, bytes]) -> None:
        self.photos = photos
        self.answers: Dict[str, Dict[str, Any]] = {}
        self.failure: Optional[str] = None
        self.is_done = threading.Event()


class FrameLoop:
    """Watchers are called with every answer, in the loop's own thread, and must not wait for anything."""

    def __init__(
        self,
        source: FrameSource,
        watchers: Tuple[Callable[[Seen], None], ...] = (),
        crashed: Callable[[], None] = lambda: None,
    ) -> None:
        self._source = source
        self._watchers = watchers
        self._changed = threading.Condition()
        self._has_news = False
        self._is_stopped = False
        self._questions: List[_Question] = []
        self._next: Optional[Tuple[Optional[Predictor], Optional[str], Tally]] = None
        self._predictor: Optional[Predictor] = None
        self._failures = 0
        self.digest: Optional[str] = None
        self.tally = Tally()
        self._thread = threading.Thread(target=guarded(self._run, crashed), name="frames", daemon=True)

    @property
    def is_broken(self) -> bool:
        return self._failures >= BROKEN_AFTER

    @property
    def has_ended(self) -> bool:
        return not self._thread.is_alive()

    @property
    def predictor(self) -> Optional[Predictor]:
        return self._predictor

    @property
    def camera_fault(self) -> str:
        return self._source.fault

    def start(self) -> None:
        self._thread.start()
        self._source.start(self._wake, self._prepare)

    def stop(self) -> None:
        self._source.stop()
        with self._changed:
            self._is_stopped = True
        self._wake()
        self._thread.join(10.0)

    def switch(self, predictor: Optional[Predictor], digest: Optional[str], tally: Optional[Tally] = None) -> None:
        """From the next frame on; the model before is closed. Answers when it has happened."""
        with self._changed:
            self._next = (predictor, digest, tally or Tally())
            self._has_news = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._next is None or self._is_stopped, _NO_ANSWER_S)

    def answer(self, photos: Mapping[str, bytes], timeout_s: float = _NO_ANSWER_S) -> Dict[str, Dict[str, Any]]:
        """What the engine that serves the frames says of these photos, between two frames. Raises: NoAnswerError."""
        question = _Question(photos)
        with self._changed:
            self._questions.append(question)
        self._wake()
        if not question.is_done.wait(timeout_s):
            raise NoAnswerError("the frame loop did not answer in %g s" % timeout_s)
        if question.failure is not None:
            raise NoAnswerError(question.failure)
        return question.answers

    def join(self) -> None:
        self._thread.join()

    def _wake(self) -> None:
        with self._changed:
            self._has_news = True
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._has_news)
                self._has_news = False
                if self._is_stopped:
                    break
                self._take_model()
                questions, self._questions = self._questions, []
            for question in questions:
                self._reply(question)
            frame = self._source.take()
            if frame is not None:
                self._look_at(frame)
        if self._predictor is not None:
            self._predictor.close()

    def _take_model(self) -> None:
        if self._next is None:
            return
        before = self._predictor
        self._predictor, self.digest, self.tally = self._next
        self._next, self._failures = None, 0
        if before is not None and before is not self._predictor:
            before.close()
        self._changed.notify_all()

    def _look_at(self, frame: Frame) -> None:
        if self._predictor is None or self.digest is None:
            return
        try:
            by, prepared = frame.prepared or (None, None)
            if prepared is None or by is not self._predictor:
                prepared = self._predictor.prepare(frame.image)
            answer = self._predictor.answer(prepared)
        except (EngineError, ModelOutputError) as error:
            self._failed(error)
            return
        self._failures = 0
        self.tally.add(answer)
        seen = Seen(frame, answer, self.digest, self._predictor.manifest)
        for watch in self._watchers:
            watch(seen)

    def _prepare(self, image: Image) -> Optional[Tuple[Predictor, Prepared]]:
        """In the camera's thread. A model that takes over meanwhile prepares the frame again."""
        predictor = self._predictor
        return None if predictor is None else (predictor, predictor.prepare(image))

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        self.tally.add_error()
        if self._failures in (1, BROKEN_AFTER):
            log.error("the model fails (%d in a row): %s", self._failures, error)

    def _reply(self, question: _Question) -> None:
        try:
            if self._predictor is None:
                raise NoAnswerError("there is no model")
            for name, photo in question.photos.items():
                question.answers[name] = self._predictor.predict(photo).result.to_json()
        except (EngineError, ModelOutputError, InvalidImageError, NoAnswerError) as error:
            question.failure = str(error)
        question.is_done.set()
