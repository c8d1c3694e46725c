"""The composition root: alone it knows which adapters are in use."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import time
from pathlib import Path

from chalicelib.config import Settings
from chalicelib.domain.errors import BinsightError, RecordNotFoundError
from chalicelib.domain.model import ModelState
from chalicelib.domain.ports import ArtifactInspector, BlobStore, EndpointRuntime, Key, RecordStore
from chalicelib.services.access import Access, set_up_key
from chalicelib.services.deployment import Deployments
from chalicelib.services.inference import Inference
from chalicelib.services.ledger import Ledger
from chalicelib.services.model_registry import ModelRegistry
from chalicelib.services.suite import RateLimit, Services
from chalicelib.services.timed_cache import TimedCache
from chalicelib.services.upload import Uploads

CACHE_FRESH_S = 60.0
ALIAS_STALE_S = 300.0
ID_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"


def new_id() -> str:
    return "".join(secrets.choice(ID_ALPHABET) for _ in range(16))


def new_secret() -> str:
    return secrets.token_hex(24)


def make_services(settings: Settings) -> Services:
    return embedded_services(settings) if settings.is_embedded else aws_services(settings)


def embedded_services(settings: Settings) -> Services:
    """Raises: StoreUnavailableError."""
    from chalicelib.adapters.embedded.folder_blobs import FolderBlobs
    from chalicelib.adapters.embedded.inspector import LoadingInspector
    from chalicelib.adapters.embedded.rate_limit import TokenBuckets
    from chalicelib.adapters.embedded.runtime import InProcessRuntime
    from chalicelib.adapters.embedded.sqlite_store import SqliteStore

    home = settings.home
    store = SqliteStore(home / "state.sqlite")
    blobs = FolderBlobs(home / "files", settings.public_url, signing_key(home), time.time)
    runtime = InProcessRuntime(blobs, home / "cache", settings.engine, settings.engine_threads)
    inspector = LoadingInspector(blobs, home / "cache", settings.engine)
    return assemble(settings, store, blobs, runtime, inspector, TokenBuckets(settings.rate_per_s, time.monotonic))


def aws_services(settings: Settings) -> Services:
    import boto3

    from chalicelib.adapters.aws.dynamodb_store import DynamoStore
    from chalicelib.adapters.aws.inspector import StreamingInspector
    from chalicelib.adapters.aws.s3_blobs import S3Blobs
    from chalicelib.adapters.aws.sagemaker_runtime import SageMakerRuntime

    blobs = S3Blobs(boto3.client("s3"), settings.bucket)
    return assemble(
        settings,
        DynamoStore(boto3.client("dynamodb"), settings.table),
        blobs,
        SageMakerRuntime(boto3.client("sagemaker-runtime")),
        StreamingInspector(blobs),
        lambda caller: None,
    )


def assemble(
    settings: Settings,
    store: RecordStore,
    blobs: BlobStore,
    runtime: EndpointRuntime,
    inspector: ArtifactInspector,
    rate_limit: RateLimit,
) -> Services:
    clock = time.time
    ledger = Ledger(store, clock)
    models = ModelRegistry(store, blobs, inspector, ledger, clock)
    inference = Inference(
        store=store,
        runtime=runtime,
        timer=time.perf_counter,
        new_id=new_id,
        aliases=TimedCache(time.monotonic, CACHE_FRESH_S, ALIAS_STALE_S),
        pinned=TimedCache(time.monotonic, CACHE_FRESH_S, ALIAS_STALE_S),
    )
    return Services(
        access=Access(
            store=store,
            ledger=ledger,
            clock=clock,
            new_id=new_id,
            new_secret=new_secret,
            cache=TimedCache(time.monotonic, CACHE_FRESH_S),
            set_up_key=set_up_key(settings.admin_key) if settings.admin_key else None,
        ),
        inference=inference,
        models=models,
        deployments=Deployments(store, models, runtime, ledger, clock, new_id, inference.aliases),
        uploads=Uploads(store, blobs, clock, new_id),
        ledger=ledger,
        rate_limit=rate_limit,
        is_healthy=lambda: _answers(store),
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
    if settings.starter is None or not settings.starter.exists() or services.models.page(None, None, 1)[0]:
        return
    digest = hashlib.sha256(settings.starter.read_bytes()).hexdigest()
    blob_name = f"uploads/starter-{digest[:16]}"
    services.models.blobs.put(blob_name, settings.starter)
    model = services.models.register_artifact(blob_name, digest, None, "starter")
    services.models.blobs.delete(blob_name)
    services.models.move(model.id, ModelState.APPROVED, "starter", "ships with Binsight; see training/starter/card.md")
    services.deployments.promote(model.id, "starter")
