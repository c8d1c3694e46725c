"""What the use cases need of the outside world. Every port has one test class that runs on both adapters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from chalicelib.domain.capacity import Capacity
from chalicelib.domain.inference import Prediction, ServedModel
from chalicelib.domain.training_job import EvaluationOrder, EvaluationStatus, JobDefinition, JobOrder, JobStatus


class Clock(Protocol):
    def __call__(self) -> float:
        """Seconds since the epoch, UTC."""


class IdSource(Protocol):
    def __call__(self) -> str:
        """A fresh random id of 16 characters [a-z0-9]."""


@dataclass(frozen=True)
class Key:
    partition: str
    sort: str


@dataclass(frozen=True)
class IndexKey:
    partition: str
    sort: str


@dataclass(frozen=True)
class Record:
    """One stored thing: a JSON body, its version (1 when first written) and numbers that can be added to."""

    key: Key
    body: Mapping[str, Any]
    version: int = 1
    counters: Mapping[str, int] = field(default_factory=dict)
    index1: IndexKey | None = None
    index2: IndexKey | None = None
    expires_at_s: int | None = None


class Index(Enum):
    PRIMARY = "primary"
    FIRST = "index1"
    SECOND = "index2"


@dataclass(frozen=True)
class Put:
    """Write `record`; `expected_version` 0 means "must not exist", n "must be at n", None "whatever is there"."""

    record: Record
    expected_version: int | None


@dataclass(frozen=True)
class Add:
    """Add to the counters under `key`, which is made when absent.

    `least`: the whole transaction fails where one of them would fall below it; nobody has to read before, so that
    those who take from one store at once do not get into each other's way.
    """

    key: Key
    counters: Mapping[str, int]
    least: int | None = None


@dataclass(frozen=True)
class Check:
    """Nothing is written; the whole transaction fails unless the record is at `expected_version` (0: absent)."""

    key: Key
    expected_version: int


@dataclass(frozen=True)
class Delete:
    key: Key
    expected_version: int | None = None


Write = Put | Add | Check | Delete
Cursor = tuple[str, ...]


@dataclass(frozen=True)
class Page:
    records: tuple[Record, ...]
    next: Cursor | None


class RecordStore(ABC):
    """DynamoDB's table or SQLite's. Strongly consistent by key; never scanned."""

    @abstractmethod
    def get(self, key: Key) -> Record:
        """Raises: RecordNotFoundError, StoreUnavailableError."""

    @abstractmethod
    def query(
        self,
        partition: str,
        *,
        index: Index = Index.PRIMARY,
        prefix: str = "",
        after: Cursor | None = None,
        limit: int = 50,
        newest_first: bool = False,
    ) -> Page:
        """One partition in the order of its sort keys, `limit` records (1-1000) at the most.

        Expired records may still be among them. Raises: StoreUnavailableError.
        """

    @abstractmethod
    def write(self, *writes: Write) -> None:
        """All or nothing, at most 100 writes, no key twice.

        Raises: WriteConflictError when a version is not the expected one or a counter would fall too low,
        StoreUnavailableError.
        """

    def note(self, *writes: Write) -> None:
        """As `write`, and as safe from a crash of the process; but a power cut may undo it.

        For what is said again in a moment: the reports of cameras, which need not wait for a disk.
        """
        self.write(*writes)


@dataclass(frozen=True)
class UploadTarget:
    """Where and how a client sends bytes: the headers are part of what was signed."""

    url: str
    method: str
    headers: Mapping[str, str]
    expires_at_s: int


@dataclass(frozen=True)
class UploadTerms:
    """What may be written under `name`: exactly these bytes, once, until `expires_at_s`."""

    name: str
    bytes: int
    sha256: str
    content_type: str
    expires_at_s: int


class BlobStore(ABC):
    """Files by name: S3 or a folder. Names are never overwritten."""

    @abstractmethod
    def put(self, name: str, source: Path) -> None:
        """Copy a file in, whole or not at all; a name that exists is left as it is."""

    @abstractmethod
    def fetch(self, name: str, target: Path) -> None:
        """Copy a file out, whole or not at all. Raises: BlobNotFoundError."""

    @abstractmethod
    def open(self, name: str) -> BinaryIO:
        """Raises: BlobNotFoundError."""

    @abstractmethod
    def copy(self, source: str, target: str) -> None:
        """Raises: BlobNotFoundError."""

    @abstractmethod
    def exists(self, name: str) -> bool: ...

    @abstractmethod
    def delete(self, name: str) -> None:
        """Harmless when there is nothing."""

    @abstractmethod
    def download_url(self, name: str, expires_s: int) -> str: ...

    @abstractmethod
    def upload_target(self, terms: UploadTerms) -> UploadTarget:
        """A place that takes one PUT of exactly `terms`."""


@dataclass(frozen=True)
class InspectedArtifact:
    """What an artifact says of itself after every check that can be made where we run."""

    digest: str
    bytes: int
    manifest: Mapping[str, Any]
    proved: bool


class ArtifactInspector(ABC):
    @abstractmethod
    def inspect(self, name: str, sha256: str) -> InspectedArtifact:
        """Read the artifact stored under `name`. Raises: InvalidArtifactError, BlobNotFoundError."""


class EndpointState(Enum):
    CREATING = "creating"
    IN_SERVICE = "in_service"
    FAILED = "failed"
    ABSENT = "absent"


@dataclass(frozen=True)
class EndpointStatus:
    state: EndpointState
    reason: str = ""


class EndpointRuntime(ABC):
    """Where models answer: SageMaker endpoints, or this process.

    answers_for_any: it answers for models too that no endpoint was made for.
    """

    answers_for_any = True

    @abstractmethod
    def capacity(self) -> Capacity | None:
        """What there is room for; None where nothing is counted. Raises: ModelUnavailableError."""

    @abstractmethod
    def create(self, served: ServedModel, settings: Mapping[str, Any]) -> None:
        """Begin to make the endpoint; harmless when it exists.

        Raises: QuotaExceededError, InvalidFieldError, ModelUnavailableError.
        """

    @abstractmethod
    def describe(self, endpoint: str) -> EndpointStatus: ...

    @abstractmethod
    def delete(self, endpoint: str) -> None:
        """Harmless when there is nothing."""

    @abstractmethod
    def predict(self, served: ServedModel, image: bytes, *, deadline_s: float) -> Prediction:
        """Raises: InvalidImageError, ModelUnavailableError, EndpointFailedError, EndpointTimeoutError,
        EndpointThrottledError.
        """

    @abstractmethod
    def prove(self, served: ServedModel) -> None:
        """Let the endpoint answer the artifact's self-test photo. Raises: ProofFailedError."""


class JobDefinitions(Protocol):
    def __call__(self, name: str) -> JobDefinition:
        """One of training/jobs. Raises: DefinitionNotFoundError, which names those there are."""


class JobRunner(ABC):
    """What trains and evaluates: SageMaker, or programs on this machine in SageMaker's layout.

    Every method may raise RunnerUnavailableError.
    """

    @abstractmethod
    def check(self, order: JobOrder) -> None:
        """Whether the order could begin, as far as can be seen before. Raises: InvalidFieldError."""

    @abstractmethod
    def start(self, order: JobOrder) -> None:
        """Begin a training job; harmless when one of this name exists."""

    @abstractmethod
    def describe(self, job: str) -> JobStatus:
        """How the job stands now. Raises: JobNotFoundError."""

    @abstractmethod
    def stop(self, job: str) -> None:
        """Ask it to end; harmless when it has. Raises: JobNotFoundError."""

    @abstractmethod
    def start_evaluation(self, order: EvaluationOrder) -> None:
        """Begin to evaluate and package what a job left; harmless when an evaluation of this name exists."""

    @abstractmethod
    def describe_evaluation(self, evaluation: str) -> EvaluationStatus:
        """Raises: JobNotFoundError."""

    @abstractmethod
    def stop_evaluation(self, evaluation: str) -> None:
        """Harmless when it has ended. Raises: JobNotFoundError."""
