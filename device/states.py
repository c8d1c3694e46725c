"""What the agent does next, a class for each state; `step` does it and answers the state after.

A state may be left at any point by a CloudError: the agent waits, and begins again at Check.
"""

from __future__ import annotations

import hashlib
import logging
from abc import ABC, abstractmethod
from typing import Any, Dict, Optional

from device.agent import Agent
from device.cloud_errors import CaptivePortalError, RefusedError
from device.download import WrongDigestError
from device.frame_loop import NoAnswerError
from device.model_store import MAX_TRIALS, NoRoomError
from device.runtime.artifact import ArtifactError
from device.runtime.manifest import ManifestError
from device.runtime.predictor import Predictor
from device.trial import TrialError

log = logging.getLogger(__name__)
MAX_WRONG_DIGESTS = 3
FACTORY, BACK = "factory", "back"


class State(ABC):
    @abstractmethod
    def step(self, agent: Agent) -> State:
        """Raises: CloudError."""


class Idle(State):
    """Nothing to do until the next check."""

    def step(self, agent: Agent) -> State:
        agent.wait(agent.next_check_s)
        agent.look_after_itself()
        if agent.loop.is_broken:
            return RollBack("engine", "the model fails on every frame") if agent.store.pointer.provisional else Reload()
        return Check()


class Check(State):
    """Ask what to run."""

    def step(self, agent: Agent) -> State:
        document, etag = agent.cloud.target(agent.boot.id, agent.boot.previous, agent.etag)
        if document is not None:
            agent.take_target(document, etag)
        return self.following(agent)

    def following(self, agent: Agent) -> State:
        digest, deployment = agent.target.get("digest"), agent.target.get("deployment")
        if digest is None:
            return Heartbeat() if agent.runs_factory else ToFactory()
        if agent.loop.digest == digest:
            agent.store.adopt(deployment)
            return Heartbeat() if agent.is_proved or not agent.target.get("golden") else Prove()
        if agent.store.is_refused(deployment, digest) and agent.target.get("direction") != BACK:
            return Heartbeat()
        return Trial() if agent.store.has(digest) else Download()


class Heartbeat(State):
    """Tell how things are."""

    def step(self, agent: Agent) -> State:
        failure = agent.store.pointer.failure
        reply = agent.report(agent.stage, **told(failure))
        if failure is not None:
            agent.store.told()
        if reply["verdict"] in ("prove", "update"):
            agent.forget_target()
        return Idle()


class Download(State):
    def step(self, agent: Agent) -> State:
        agent.report("downloading")
        place = agent.cloud.artifact()
        if place.get("digest") != agent.target["digest"]:
            agent.forget_target()
            return Check()
        try:
            agent.download.fetch(place)
        except WrongDigestError as error:
            agent.wrong_digests += 1
            if agent.wrong_digests >= MAX_WRONG_DIGESTS:
                return Failed("digest", str(error))
            raise
        except OSError as error:
            return Failed("disk", str(error))
        return Stage()


class Stage(State):
    """Unpack into a slot of its own, checked file by file."""

    def step(self, agent: Agent) -> State:
        digest = agent.target["digest"]
        try:
            agent.store.stage(agent.store.downloads / (digest + ".part"), digest)
        except (ArtifactError, ManifestError) as error:
            return Failed("manifest", str(error))
        except (NoRoomError, OSError) as error:
            return Failed("disk", str(error))
        finally:
            agent.download.forget(digest)
        return Trial()


class Trial(State):
    """Load it, let it answer its own test, first where a crash harms nobody; where that cannot be, a few times only."""

    def step(self, agent: Agent) -> State:
        agent.report("self_test")
        deployment, digest = agent.target.get("deployment"), agent.target["digest"]
        if not agent.store.begin_trial(deployment, digest):
            return Failed("crash_loop", "the agent ended %d times while it tried the model" % MAX_TRIALS)
        try:
            predictor = agent.try_model(digest)
        except TrialError as error:
            return Failed(error.code, str(error))
        finally:
            agent.store.end_trial()
        return Activate(predictor)


class Activate(State):
    """Written down first: whatever happens from here on, the next start knows what was tried."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def step(self, agent: Agent) -> State:
        digest = agent.target["digest"]
        is_urgent = agent.target.get("direction") == BACK
        try:
            agent.store.activate(digest, agent.target.get("deployment"), is_urgent)
        except OSError as error:
            self._predictor.close()
            return Failed("disk", "the switch cannot be written down: %s" % error)
        agent.loop.switch(self._predictor, digest)
        log.info("model %s (%s) serves the frames, provisionally", agent.target.get("model"), digest[:12])
        return Prove() if agent.target.get("golden") else Heartbeat()


class Prove(State):
    """Let the engine that serves the frames answer the golden photos; the service judges."""

    def step(self, agent: Agent) -> State:
        photos = {each["photo"]: golden_photo(agent, each) for each in agent.target["golden"]}
        try:
            answers = agent.loop.answer(photos)
        except NoAnswerError as error:
            return RollBack("engine", str(error))
        proof = [{"photo": photo, "answer": needed(answer)} for photo, answer in answers.items()]
        try:
            reply = agent.report(
                "proving", deployment=agent.target["deployment"], nonce=agent.target["nonce"], answers=proof
            )
        except RefusedError as error:
            if error.kind != "foreign-nonce":
                raise
            agent.forget_target()
            return Check()
        return self.following(agent, reply)

    def following(self, agent: Agent, reply: Dict[str, Any]) -> State:
        if reply["verdict"] == "verified":
            return Confirm()
        if reply["verdict"] == "refused":
            return RollBack("other", "refused by the service: %s" % reply.get("reason", ""), is_known=True)
        agent.forget_target()
        return Idle()


class Confirm(State):
    """The service has seen that the new model runs."""

    def step(self, agent: Agent) -> State:
        agent.mark_proved()
        if agent.store.pointer.provisional:
            agent.store.confirm()
            agent.tidy()
            log.info("model %s is confirmed", agent.target.get("model"))
        return Idle()


class RollBack(State):
    """To the slot before, or the factory's; this deployment's model is not tried again.

    is_known: the service said so itself and need not be told.
    """

    def __init__(self, code: str, detail: str, is_known: bool = False) -> None:
        self._code, self._detail, self._is_known = code, detail, is_known

    def step(self, agent: Agent) -> State:
        log.warning("rolling back: %s", self._detail)
        agent.store.roll_back(self._code, self._detail)
        failure = agent.store.pointer.failure
        if self._is_known:
            agent.store.told()
        agent.load_active()
        agent.tidy()
        agent.report("rolling_back", **told(None if self._is_known else failure))
        agent.store.told()
        agent.forget_target()
        return Idle()


class Failed(State):
    """What was asked for cannot be activated here; what runs goes on running."""

    def __init__(self, code: str, detail: str) -> None:
        self._code, self._detail = code, detail

    def step(self, agent: Agent) -> State:
        log.error("the target cannot be activated (%s): %s", self._code, self._detail)
        deployment = agent.target.get("deployment")
        agent.store.refuse(deployment, agent.target["digest"])
        if agent.target["digest"] == agent.store.pointer.active != agent.loop.digest:
            # It was to be loaded at the start already, and was not.
            agent.store.roll_back(self._code, self._detail)
            agent.store.told()
        agent.wrong_digests = 0
        agent.tidy()
        agent.report("failed", **told({"code": self._code, "detail": self._detail[:400], "deployment": deployment}))
        return Idle()


class ToFactory(State):
    """Nothing is promoted to this camera, or what was is taken back to nothing."""

    def step(self, agent: Agent) -> State:
        agent.store.activate(None, None, is_urgent=True)
        agent.load_active()
        return Heartbeat()


class Reload(State):
    """A confirmed model that fails on every frame may be mended by loading it anew."""

    def step(self, agent: Agent) -> State:
        agent.load_active()
        return Check()


def golden_photo(agent: Agent, wanted: Dict[str, Any]) -> bytes:
    """Kept in memory: a few photos of some kilobytes, asked for once a boot. Raises: CloudError."""
    digest = wanted["sha256"]
    if digest not in agent.photos:
        data = agent.cloud.golden(wanted["photo"])
        if hashlib.sha256(data).hexdigest() != digest:
            raise CaptivePortalError("golden photo %s came as something else" % wanted["photo"])
        agent.photos[digest] = data
    return agent.photos[digest]


def needed(answer: Dict[str, Any]) -> Dict[str, Any]:
    """What a proof is judged by."""
    return {name: answer[name] for name in ("probabilities", "detections") if name in answer}


def told(failure: Optional[Dict[str, Any]]) -> Dict[str, Any]:
    """A failure as a report has it."""
    if failure is None or failure.get("deployment") is None:
        return {}
    return {
        "failure": {"code": failure["code"], "detail": failure["detail"]},
        "deployment": failure["deployment"],
    }
