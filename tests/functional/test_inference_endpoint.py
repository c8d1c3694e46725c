"""What an endpoint does wrong, as the caller of /classify is told: over HTTP, through the SageMaker adapter."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.adapters.aws.clients import sagemaker_client
from chalicelib.adapters.aws.endpoints import Endpoints, EndpointSite
from chalicelib.adapters.aws.invocation import Invocation
from chalicelib.adapters.aws.sagemaker_runtime import SageMakerRuntime
from chalicelib.api.routes import create_app
from chalicelib.domain.alias import Alias
from chalicelib.domain.inference import ServedModel, Task
from chalicelib.domain.ports import Key, Page, Record, RecordStore, Write
from chalicelib.services.inference import DEADLINE_S
from chalicelib.services.timed_cache import TimedCache
from tests.device.models import RED, jpeg, plain
from tests.functional.service import Service, register
from tests.functional.test_lambda import authorized, gateway_event
from tests.integration.sagemaker_server import Reply, SageMakerServer, answer, container_error, error

PHOTO = jpeg(plain(RED))
GOOD: dict[str, Any] = {
    "label": "landfill",
    "confidence": 0.9,
    "unknown": False,
    "reasons": [],
    "checks_skipped": [],
    "probabilities": {"landfill": 0.9, "compost": 0.06, "recycling": 0.04},
}


def reply(**changes: Any) -> Reply:
    return answer({"answer": {**GOOD, **changes}, "timings_ms": {"inference": 4.0}, "cold": False})


def text(document: str) -> Reply:
    return answer(document.encode())


BAD_ANSWERS = {
    "NaN": text(json.dumps({"answer": {**GOOD, "confidence": float("nan")}, "timings_ms": {}, "cold": False})),
    "infinity": text(json.dumps({"answer": {**GOOD, "confidence": float("inf")}, "timings_ms": {}, "cold": False})),
    "too few": reply(probabilities={"landfill": 0.9, "compost": 0.1}),
    "too many": reply(probabilities={**GOOD["probabilities"], "glass": 0.0}),
    "a label with its line end": reply(label="landfill\n"),
    "labels with line ends": reply(probabilities={f"{name}\n": value for name, value in GOOD["probabilities"].items()}),
    "another label": reply(label="glass"),
    "no JSON": text("landfill"),
    "nothing": text(""),
    "a bare list": text("[0.9, 0.06, 0.04]"),
    "its own failure": container_error(500, "out of memory"),
}


@contextmanager
def answering(serving: Service, *replies: Reply, **changes: Any) -> Iterator[Any]:
    """The app in front of an endpoint that gives `replies`; `changes` are of the manifest that the alias holds."""
    services = serving.services
    site = EndpointSite(region="eu-west-1", bucket="none", role_arn="none", container_image="none")
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    with SageMakerServer(list(replies)) as sagemaker:
        endpoints = Endpoints(sagemaker_client("eu-west-1", **keys), site)
        runtime = Reworded(
            endpoints, None, Invocation(sagemaker.client_for, pause=lambda _: None), services.uploads.blobs
        )
        runtime.changes = changes
        yield create_app(lambda: replace(services, inference=replace(services.inference, runtime=runtime)))


class Reworded(SageMakerRuntime):
    """Asks about a model whose manifest was changed after it was registered."""

    changes: dict[str, Any]
    patience_s = 60.0

    def predict(self, served: ServedModel, image: bytes, *, deadline_s: float) -> Any:
        deadline_s = min(deadline_s, self.patience_s)
        manifest = {**served.manifest, **self.changes}
        changed = replace(served, manifest=manifest, digest=str(hash(json.dumps(self.changes))))
        container = str(self.changes.get("container", served.container))
        return super().predict(replace(changed, container=container), image, deadline_s=deadline_s)


def ask(app: Any, query: dict[str, list[str]] | None = None) -> tuple[int, dict[str, Any], dict[str, Any]]:
    response = app(gateway_event("POST", "/classify", PHOTO, authorized(), query), None)
    return response["statusCode"], json.loads(response["body"]), response["headers"]


def test_a_good_answer_is_handed_on(serving: Service) -> None:
    with answering(serving, reply()) as app:
        status, body, _ = ask(app)
    assert (status, body["label"], body["cold"]) == (200, "landfill", False)


@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_what_is_no_answer_is_refused_and_names_the_endpoint(serving: Service, name: str) -> None:
    with answering(serving, BAD_ANSWERS[name]) as app:
        status, body, headers = ask(app)
    assert (status, body["type"]) == (502, "urn:binsight:problem:endpoint-failed")
    assert body["endpoint"] in body["detail"]
    assert headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("names", [["landfill", "compost", "recycling\n"], ["landfill", "landfill", "compost"], []])
def test_a_manifest_with_labels_that_cannot_be_names_the_endpoint(serving: Service, names: list[str]) -> None:
    labels = [{"name": name} for name in names]
    with answering(serving, text("[0.9, 0.06, 0.04]"), labels=labels, container="image-classification") as app:
        status, body, _ = ask(app)
    assert (status, body["type"]) == (502, "urn:binsight:problem:endpoint-failed")
    assert body["endpoint"] in body["detail"]


@pytest.mark.parametrize(
    ("failure", "status", "problem"),
    [
        (error(429, "ThrottlingException", "Rate exceeded"), 503, "endpoint-throttled"),
        (error(400, "ValidationError", "Endpoint waste of account 1 not found."), 503, "model-unavailable"),
        (error(503, "ServiceUnavailable"), 503, "model-unavailable"),
        (error(403, "AccessDeniedException", "not authorized"), 502, "endpoint-failed"),
    ],
)
def test_an_endpoint_that_does_not_answer_says_when_to_come_back(
    serving: Service, failure: Reply, status: int, problem: str
) -> None:
    with answering(serving, failure) as app:
        found, body, headers = ask(app)
    assert (found, body["type"]) == (status, f"urn:binsight:problem:{problem}")
    assert int(headers["Retry-After"]) >= 1
    assert body["endpoint"] in body["detail"]


def test_an_endpoint_that_hangs_is_a_gateway_timeout_well_before_the_gateways_own(
    serving: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Reworded, "patience_s", 0.9)
    with answering(serving, Reply(after_s=3)) as app:
        status, body, headers = ask(app)
    assert (status, body["type"]) == (504, "urn:binsight:problem:endpoint-timeout")
    assert int(headers["Retry-After"]) >= 1
    assert body["endpoint"] in body["detail"]
    assert DEADLINE_S < 29


def test_a_young_alias_and_a_young_key_cost_no_read(serving: Service) -> None:
    services, store = serving.services, CountingStore(serving.services.access.store)
    inference = replace(services.inference, store=store, aliases=TimedCache(time.monotonic, 60.0))
    access = replace(services.access, store=store, cache=TimedCache(time.monotonic, 60.0))
    key = serving.key("inference")
    app = create_app(lambda: replace(services, inference=inference, access=access))
    reads = []
    for _ in range(3):
        event = gateway_event("POST", "/classify", PHOTO, {"Authorization": f"Bearer {key}"})
        assert app(event, None)["statusCode"] == 200
        reads.append(store.reads)
    assert reads == [2, 2, 2]


@pytest.mark.parametrize("place", ["primary", "canary", "previous"])
def test_a_pinned_model_is_asked_at_the_endpoint_that_it_has(serving: Service, place: str) -> None:
    pinned = approved(serving)
    live = serving.services.inference.promoted(Task.CLASSIFY)
    own = replace(live, model_id=pinned, endpoint=f"binsight-classify-{place}")
    alias = replace(Alias(Task.CLASSIFY, live, "none"), **{place: own})
    with asked(serving, alias, reply()) as (app, sagemaker):
        status, body, _ = ask(app, {"model": [pinned]})
    assert (status, body["endpoint"], body["model"]["id"]) == (200, own.endpoint, pinned)
    assert [each.path for each in sagemaker.asked] == [f"/endpoints/{own.endpoint}/invocations"]


def test_a_pinned_model_without_an_endpoint_is_not_asked_and_says_how_it_gets_one(serving: Service) -> None:
    pinned = approved(serving)
    alias = Alias(Task.CLASSIFY, serving.services.inference.promoted(Task.CLASSIFY), "none")
    with asked(serving, alias, reply()) as (app, sagemaker):
        status, body, _ = ask(app, {"model": [pinned]})
    assert (status, body["type"], sagemaker.asked) == (409, "urn:binsight:problem:illegal-transition", [])
    assert "POST /deploy" in body["detail"]


def approved(serving: Service) -> str:
    """A model of the same artifact that was never promoted."""
    (archive,) = (
        path for path in (serving.settings.home / "files" / "artifacts").glob("*.tar.gz")
        if path.name.startswith(serving.services.inference.promoted(Task.CLASSIFY).digest)
    )  # fmt: skip
    model = str(register(serving.client, archive)["id"])
    serving.client.post(f"/models/{model}/approve", {"reason": "good on the test split", "override": True})
    return model


@contextmanager
def asked(serving: Service, alias: Alias, *replies: Reply) -> Iterator[tuple[Any, SageMakerServer]]:
    """The app in front of endpoints, and the alias that it has read a moment ago."""
    aliases: TimedCache[Task, Alias] = TimedCache(time.monotonic, 60.0)
    aliases.get(Task.CLASSIFY, lambda: alias)
    services = serving.services
    with SageMakerServer(list(replies)) as sagemaker:
        runtime = SageMakerRuntime(None, None, Invocation(sagemaker.client_for), services.uploads.blobs)
        pins: TimedCache[str, ServedModel] = TimedCache(time.monotonic, 60.0)
        inference = replace(services.inference, runtime=runtime, aliases=aliases, pinned=pins)
        yield create_app(lambda: replace(services, inference=inference)), sagemaker


class CountingStore(RecordStore):
    def __init__(self, inner: RecordStore) -> None:
        self.inner, self.reads = inner, 0

    def get(self, key: Key) -> Record:
        self.reads += 1
        return self.inner.get(key)

    def query(self, partition: str, **options: Any) -> Page:
        self.reads += 1
        return self.inner.query(partition, **options)

    def write(self, *writes: Write) -> None:
        self.inner.write(*writes)


def test_a_photo_that_the_container_refuses_is_refused_as_on_one_machine(serving: Service) -> None:
    refusal = json.dumps({"reason": "truncated-image", "detail": "the jpeg ends early; send it again"})
    with answering(serving, container_error(400, refusal)) as app:
        status, body, _ = ask(app)
    assert (status, body["type"]) == (400, "urn:binsight:problem:truncated-image")
