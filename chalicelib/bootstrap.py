"""The composition root: alone it knows which adapters are in use."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.golden_pools import PackagedPools
from chalicelib.adapters.job_definitions import JobFiles
from chalicelib.config import CHECKOUT, Settings
from chalicelib.domain import camera_event, camera_frame
from chalicelib.domain.cost import Price, free_training, sagemaker_training
from chalicelib.domain.endpoint_cost import EndpointPrice, free_endpoint, sagemaker_endpoint
from chalicelib.domain.errors import BinsightError, RecordNotFoundError
from chalicelib.domain.fleet_records import Shards
from chalicelib.domain.model_listing import ModelFilter
from chalicelib.domain.ports import ArtifactInspector, BlobStore, EndpointRuntime, IdSource, JobRunner, Key, RecordStore
from chalicelib.domain.training_job import JobDefinition
from chalicelib.services.access import Access, set_up_key
from chalicelib.services.camera_event import CameraEvents
from chalicelib.services.camera_frame import CameraFrames
from chalicelib.services.idempotency import Idempotency
from chalicelib.services.inference import Inference
from chalicelib.services.ledger import Ledger
from chalicelib.services.model_registry import ModelRegistry
from chalicelib.services.model_versions import ModelVersions
from chalicelib.services.promotion_suite import PromotionPorts, PromotionSuite, make_promotion_suite
from chalicelib.services.request_scope import RequestIds
from chalicelib.services.suite import RateLimit, Services, WorkingMemory
from chalicelib.services.timed_cache import TimedCache
from chalicelib.services.training import Training
from chalicelib.services.training_progress import TrainingProgress
from chalicelib.services.upload import Uploads

if TYPE_CHECKING:
    from chalicelib.adapters.embedded.trainer import Trainer

CACHE_FRESH_S = 60.0
ALIAS_STALE_S = 300.0
EMBEDDED_ALIAS_FRESH_S = 1.0
# SQLite has one writer whatever is done; DynamoDB refuses two transactions on one item.
EMBEDDED_SHARDS, AWS_SHARDS = 1, 64
ID_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"


def new_id() -> str:
    # 82.70 of the 82.72 bits that 16 fair choices have, in a tenth of the time: every prediction has one.
    return "".join([ID_ALPHABET[byte % len(ID_ALPHABET)] for byte in secrets.token_bytes(16)])


def new_secret() -> str:
    return secrets.token_hex(24)


def make_services(settings: Settings) -> Services:
    return embedded_services(settings) if settings.is_embedded else aws_services(settings)


@dataclass(frozen=True)
class Adapters:
    """Everything in which the two ways to run differ. `is_only_process`: no other process answers requests."""

    store: RecordStore
    blobs: BlobStore
    runtime: EndpointRuntime
    inspector: ArtifactInspector
    runner: JobRunner
    rate_limit: RateLimit
    working_memory: WorkingMemory
    price: Callable[[JobDefinition], Price]
    endpoint_price: Callable[[Mapping[str, Any]], EndpointPrice]
    is_only_process: bool


def embedded_services(settings: Settings) -> Services:
    """Raises: StoreUnavailableError."""
    from chalicelib.adapters.embedded.folder_blobs import FolderBlobs
    from chalicelib.adapters.embedded.inspector import LoadingInspector
    from chalicelib.adapters.embedded.job_folder import JobFolders
    from chalicelib.adapters.embedded.local_jobs import LocalJobs
    from chalicelib.adapters.embedded.rate_limit import TokenBuckets
    from chalicelib.adapters.embedded.runtime import InProcessRuntime
    from chalicelib.adapters.embedded.sqlite_store import SqliteStore
    from chalicelib.adapters.embedded.working_memory import WorkingMemory as WorkingMemoryInLine

    home = settings.home
    blobs = FolderBlobs(home / "files", settings.public_url, signing_key(home), time.time)
    adapters = Adapters(
        store=SqliteStore(home / "state.sqlite"),
        blobs=blobs,
        runtime=InProcessRuntime(blobs, home / "cache", settings.engine, settings.engine_threads),
        inspector=LoadingInspector(blobs, home / "cache", settings.engine),
        runner=LocalJobs(JobFolders(home / "jobs"), blobs, evaluates_apart=bool(settings.evaluate_command)),
        rate_limit=TokenBuckets(settings.rate_per_s, time.monotonic),
        working_memory=WorkingMemoryInLine(),
        price=free_training,
        endpoint_price=free_endpoint,
        is_only_process=True,
    )
    return assemble(settings, adapters)


def embedded_trainer(settings: Settings) -> Trainer:
    from chalicelib.adapters.embedded.job_folder import JobFolders
    from chalicelib.adapters.embedded.trainer import Trainer

    folders = JobFolders(settings.home.resolve() / "jobs")
    return Trainer(folders, CHECKOUT, settings.train_command, settings.evaluate_command)


def aws_services(settings: Settings) -> Services:
    from chalicelib.adapters.aws import clients
    from chalicelib.adapters.aws.account import Account
    from chalicelib.adapters.aws.dynamodb_store import DynamoStore
    from chalicelib.adapters.aws.endpoints import Endpoints, EndpointSite
    from chalicelib.adapters.aws.inspector import StreamingInspector
    from chalicelib.adapters.aws.invocation import Invocation
    from chalicelib.adapters.aws.s3_blobs import S3Blobs
    from chalicelib.adapters.aws.sagemaker_runtime import SageMakerRuntime
    from chalicelib.adapters.aws.training_jobs import SageMakerJobs
    from chalicelib.adapters.aws.training_request import TrainingSite

    region = settings.region
    blobs = S3Blobs(clients.s3_client(region), settings.bucket, time.time)
    sagemaker = clients.sagemaker_client(region)
    site = EndpointSite(region, settings.bucket, settings.role, settings.image)
    jobs = TrainingSite(region, settings.bucket, settings.role, settings.image)
    account = Account(sagemaker, clients.service_quotas_client(region))
    invocation = Invocation(partial(clients.sagemaker_runtime_client, region))
    adapters = Adapters(
        store=DynamoStore(clients.dynamodb_client(region), settings.table),
        blobs=blobs,
        runtime=SageMakerRuntime(Endpoints(sagemaker, site), account, invocation, blobs),
        inspector=StreamingInspector(blobs),
        runner=SageMakerJobs(sagemaker, jobs, blobs),
        rate_limit=lambda caller: None,
        # A Lambda answers one request at a time.
        working_memory=lambda size_bytes: contextlib.nullcontext(),
        price=sagemaker_training,
        endpoint_price=sagemaker_endpoint,
        is_only_process=False,
    )
    return assemble(settings, adapters)


def assemble(settings: Settings, adapters: Adapters) -> Services:
    store, blobs, clock, ids = adapters.store, adapters.blobs, time.time, RequestIds(new_id)
    ledger = Ledger(store, clock)
    versions = ModelVersions(store, ledger, clock)
    models = ModelRegistry(store, blobs, adapters.inspector, versions)
    inference = Inference(
        store=store,
        runtime=adapters.runtime,
        timer=time.perf_counter,
        new_id=new_id,
        aliases=TimedCache(time.monotonic, _alias_fresh_s(adapters), ALIAS_STALE_S),
        pinned=TimedCache(time.monotonic, CACHE_FRESH_S, ALIAS_STALE_S),
        shards=Shards(_shards(adapters)),
    )
    promotions = make_promotions(adapters, models, ledger, inference, ids)
    return Services(
        access=Access(
            store=store,
            ledger=ledger,
            clock=clock,
            new_id=ids,
            new_secret=new_secret,
            cache=TimedCache(time.monotonic, CACHE_FRESH_S),
            set_up_key=set_up_key(settings.admin_key) if settings.admin_key else None,
            sources=promotions.fleets.key_sources(),
        ),
        inference=inference,
        models=models,
        training=make_training(settings, adapters, versions, ids),
        deployments=promotions.deployments,
        dry_runs=promotions.dry_runs,
        fleets=promotions.fleets,
        check_ins=promotions.check_ins,
        history=promotions.history,
        events=CameraEvents(store, clock, time.sleep, camera_event.KEEP_S),
        frames=CameraFrames(store, blobs, clock, camera_frame.KEEP_S),
        uploads=Uploads(store, blobs, clock, ids),
        ledger=ledger,
        idempotency=Idempotency(store, clock, new_id(), adapters.is_only_process),
        rate_limit=adapters.rate_limit,
        working_memory=adapters.working_memory,
        is_healthy=lambda: _answers(store),
    )


def make_promotions(
    adapters: Adapters, models: ModelRegistry, ledger: Ledger, inference: Inference, ids: IdSource
) -> PromotionSuite:
    ports = PromotionPorts(
        store=adapters.store,
        blobs=adapters.blobs,
        runtime=adapters.runtime,
        pools=PackagedPools(),
        clock=time.time,
        timer=time.monotonic,
        new_id=ids,
        new_secret=new_secret,
        pause=time.sleep,
        shards=_shards(adapters),
        fills_at_once=adapters.is_only_process,
        endpoint_price=adapters.endpoint_price,
    )
    return make_promotion_suite(ports, models, ledger, inference.aliases)


def _alias_fresh_s(adapters: Adapters) -> float:
    """On one machine the timer is another process, and what it flips is seen at once; reading costs next to nothing."""
    return EMBEDDED_ALIAS_FRESH_S if adapters.is_only_process else CACHE_FRESH_S


def _shards(adapters: Adapters) -> int:
    return EMBEDDED_SHARDS if adapters.is_only_process else AWS_SHARDS


def make_training(settings: Settings, adapters: Adapters, versions: ModelVersions, ids: IdSource) -> Training:
    progress = TrainingProgress(
        store=adapters.store,
        blobs=adapters.blobs,
        inspector=adapters.inspector,
        versions=versions,
        runner=adapters.runner,
        definitions=JobFiles(settings.definitions),
        new_id=ids,
        pools=PackagedPools(),
    )
    return Training(
        store=adapters.store,
        versions=versions,
        runner=adapters.runner,
        definitions=progress.definitions,
        progress=progress,
        new_id=ids,
        price=adapters.price,
        budget_usd=settings.budget_usd,
    )


def signing_key(home: Path) -> bytes:
    """The home's own secret for upload and download URLs, made once and readable by its owner only."""
    path = home / "signing.key"
    home.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(secrets.token_bytes(32))
    return path.read_bytes()


def _answers(store: RecordStore) -> bool:
    try:
        store.get(Key("HEALTH", "HEALTH"))
    except RecordNotFoundError:
        return True
    except BinsightError:
        return False
    return True


def install_starter(services: Services, settings: Settings) -> None:
    """A home without any model begins with the starter model, promoted; a promotion of one's own replaces it.

    Raises: InvalidArtifactError, StoreUnavailableError.
    """
    if settings.starter is None or not settings.starter.exists() or services.models.page(ModelFilter(), None, 1)[0]:
        return
    digest = hashlib.sha256(settings.starter.read_bytes()).hexdigest()
    blob_name = f"uploads/starter-{digest[:16]}"
    services.models.blobs.put(blob_name, settings.starter)
    model = services.models.register_artifact(blob_name, digest, None, "starter")
    services.models.blobs.delete(blob_name)
    reason = "ships with Binsight; see training/starter/card.md"
    services.models.approve(model.id, "starter", reason, override=True)
    services.deployments.promote(model.id, "starter")
