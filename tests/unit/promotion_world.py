"""Promotions without HTTP, clock or disk: a store in memory that can die before or after any write, endpoints that are
made while one looks, and cameras that answer as the model does that they run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chalicelib.domain import fleet_records as records
from chalicelib.domain.capacity import Capacity
from chalicelib.domain.check_in import asked_for
from chalicelib.domain.deployment import Deployment
from chalicelib.domain.endpoint_cost import sagemaker_endpoint
from chalicelib.domain.errors import ModelNotFoundError
from chalicelib.domain.fleet_errors import PhotoNotFoundError, QuotaExceededError
from chalicelib.domain.golden import GoldenPhoto, GoldenPool, GoldenPools
from chalicelib.domain.inference import Prediction, ServedModel, Task
from chalicelib.domain.model import Model, ModelState
from chalicelib.domain.ports import EndpointRuntime, EndpointState, EndpointStatus, Write
from chalicelib.services.fleet import NewDevice
from chalicelib.services.ledger import Ledger
from chalicelib.services.promotion_suite import PromotionPorts, PromotionSuite, make_promotion_suite
from chalicelib.services.timed_cache import TimedCache
from tests.unit.memory_store import MemoryStore

LABELS = ("compost", "landfill")


class KilledError(BaseException):
    """kill -9: nobody catches it."""


@dataclass
class Fate:
    """The process dies at the effect with this number (1 is the first, 0 never): just before it, or just after it."""

    dies_at: int = 0
    dies_after: bool = False
    effects: int = 0

    def before(self) -> None:
        self.effects += 1
        if self.effects == self.dies_at and not self.dies_after:
            raise KilledError

    def after(self) -> None:
        if self.effects == self.dies_at and self.dies_after:
            raise KilledError


class MortalStore(MemoryStore):
    def __init__(self, fate: Fate) -> None:
        super().__init__()
        self.fate = fate

    def write(self, *writes: Write) -> None:
        self.fate.before()
        super().write(*writes)
        self.fate.after()


class Endpoints(EndpointRuntime):
    """An endpoint is in service at the second look. `broken` models cannot be made, `hanging` ones never are."""

    def __init__(self, fate: Fate) -> None:
        self.fate = fate
        self.made: dict[str, int] = {}
        self.broken: set[str] = set()
        self.hanging: set[str] = set()
        self.digests: dict[str, str] = {}
        self.settings: dict[str, Mapping[str, Any]] = {}
        self.room: Capacity | None = None
        self.is_full = False

    def capacity(self) -> Capacity | None:
        return self.room

    def create(self, served: ServedModel, settings: Mapping[str, Any]) -> None:
        if self.is_full:
            raise QuotaExceededError("The account's limit is reached.")
        self.settings[served.endpoint] = settings
        self.fate.before()
        self.made.setdefault(served.endpoint, 0)
        self.digests[served.endpoint] = served.digest
        self.fate.after()

    def describe(self, endpoint: str) -> EndpointStatus:
        if endpoint not in self.made:
            return EndpointStatus(EndpointState.ABSENT)
        digest = self.digests[endpoint]
        if digest in self.broken:
            return EndpointStatus(EndpointState.FAILED, "it does not start")
        self.made[endpoint] += 1
        is_ready = self.made[endpoint] > 1 and digest not in self.hanging
        return EndpointStatus(EndpointState.IN_SERVICE if is_ready else EndpointState.CREATING)

    def delete(self, endpoint: str) -> None:
        self.fate.before()
        self.made.pop(endpoint, None)
        self.fate.after()

    def predict(self, served: ServedModel, image: bytes, *, deadline_s: float) -> Prediction:
        return Prediction(answer_of(served.digest, image.decode()), {}, cold=False)

    def prove(self, served: ServedModel) -> None:
        """Every one of these answers its own photo."""


class Pools(GoldenPools):
    def __init__(self) -> None:
        photos = tuple(GoldenPhoto(f"classify-1-{number:02d}", f"{number:064d}") for number in range(16))
        self._pool = GoldenPool("classify-1", Task.CLASSIFY, photos)

    def of(self, task: Task) -> GoldenPool:
        return self._pool

    def read(self, photo_id: str) -> bytes:
        if photo_id not in {photo.id for photo in self._pool.photos}:
            raise PhotoNotFoundError(photo_id)
        return photo_id.encode()


class Models:
    """Two models or more, all approved; their digests are their letters."""

    def __init__(self, count: int = 3) -> None:
        self.models = {f"waste-{number}": _model(number) for number in range(1, count + 1)}

    def get(self, id_: str) -> Model:
        if id_ not in self.models:
            raise ModelNotFoundError(id_)
        return self.models[id_]


def answer_of(digest: str, photo: str) -> dict[str, Any]:
    """Another distribution for each model and photo; computed, so that the same is answered everywhere."""
    share = (int(digest[:2], 16) * 37 + int(photo[-2:]) * 11) % 100 / 100
    return {"probabilities": dict(zip(LABELS, (share, 1 - share), strict=True)), "unknown": False}


@dataclass
class World:
    fate: Fate = field(default_factory=Fate)
    models: Models = field(default_factory=Models)
    now_s: float = 1000.0
    ids: int = 0
    shards: int = 1
    runs: dict[str, str | None] = field(default_factory=dict)
    sequence: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store = MortalStore(self.fate)
        self.endpoints = Endpoints(self.fate)

    def service(self) -> PromotionSuite:
        """A process, new: nothing is cached."""
        clock = lambda: self.now_s  # noqa: E731
        ports = PromotionPorts(
            store=self.store,
            blobs=None,  # type: ignore[arg-type]
            runtime=self.endpoints,
            pools=Pools(),
            clock=clock,
            timer=clock,
            new_id=self._new_id,
            new_secret=lambda: "f" * 48,
            pause=lambda seconds: None,
            shards=self.shards,
            fills_at_once=False,
            endpoint_price=sagemaker_endpoint,
        )
        ledger = Ledger(self.store, clock, pause=lambda seconds: None)
        return make_promotion_suite(ports, self.models, ledger, TimedCache(clock, 60.0))  # type: ignore[arg-type]

    def enrol(self, suite: PromotionSuite, *names: str, fleet: str = "kitchen") -> None:
        for name in names:
            suite.fleets.enrol(NewDevice(name, fleet))
            self.runs[name] = None

    def check_in(self, suite: PromotionSuite, *names: str, lies: bool = False, fails: bool = False) -> None:
        """Each camera asks, activates what it is told, and proves it; a liar goes on with what it ran."""
        for name in names or tuple(self.runs):
            device = suite.fleets.get(name)
            boot = f"boot-of-{name}-000000"
            target = suite.check_ins.target(device, boot)
            runs = self.runs[name] if lies else target["digest"]
            members: dict[str, Any] = {"digest": target["digest"], "deployment": target["deployment"]}
            if fails:
                members |= {"digest": self.runs[name], "failure": {"code": "engine", "detail": "it crashed"}}
            elif target["nonce"]:
                asked = [each["photo"] for each in target["golden"]]
                answers = [{"photo": photo, "answer": answer_of(runs or "00", photo)} for photo in asked]
                members |= {"nonce": target["nonce"], "answers": answers}
            self.report(suite, name, **members)
            if not fails and not lies:
                self.runs[name] = target["digest"]

    def report(self, suite: PromotionSuite, name: str, **members: Any) -> str:
        self.sequence[name] = self.sequence.get(name, 0) + 1
        body = {
            "boot": f"boot-of-{name}-000000",
            "previous_boot": None,
            "sequence": self.sequence[name],
            "digest": self.runs[name],
            "stage": "proving",
            **members,
        }
        reply = suite.check_ins.report(suite.fleets.get(name), asked_for(body))
        return reply.told.verdict

    def deployments(self) -> list[Deployment]:
        found = [record for key, record in self.store.records.items() if key.sort == "DEPLOYMENT"]
        return [records.deployment_from(record) for record in found]

    def _new_id(self) -> str:
        self.ids += 1
        return f"promotion{self.ids:07d}"


def _model(number: int) -> Model:
    digest = f"{number * 16 + 7:02x}" * 32
    manifest = {"engines": ["onnxruntime"], "container": "binsight"}
    return Model(
        f"waste-{number}", "waste", number, Task.CLASSIFY, ModelState.APPROVED, 0.0, digest, 1000, manifest=manifest
    )
