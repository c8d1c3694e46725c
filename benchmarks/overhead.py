"""What our code costs around an endpoint: `python -m benchmarks.overhead [--rounds 300]`.

Side by side, call by call in turn: our Lambda handler in front of our container, and a bare handler that does base64,
invoke and json. Both get the same API Gateway event and ask the same stub over loopback HTTP. No database is read while
keys and aliases are young, so none is on either side.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3

from benchmarks.endpoint_stub import running
from benchmarks.photos import photo_of
from chalicelib.adapters.aws.account import Account
from chalicelib.adapters.aws.clients import sagemaker_client, sagemaker_runtime_client, service_quotas_client
from chalicelib.adapters.aws.endpoints import Endpoints, EndpointSite
from chalicelib.adapters.aws.invocation import Invocation
from chalicelib.adapters.aws.sagemaker_runtime import SageMakerRuntime
from chalicelib.api.observation import EmfRecorder, configure_logging
from chalicelib.api.routes import create_app
from chalicelib.bootstrap import embedded_services
from chalicelib.config import from_environment
from chalicelib.domain import records
from chalicelib.domain.alias import Alias
from chalicelib.domain.inference import ServedModel, Task
from chalicelib.domain.ports import Put

KEY = "the-admin-key-of-the-benchmark"
REGION = "eu-west-1"
SIZES = {"200 KB": 200_000, "1 MB": 1_000_000}
AIM = 1.15
LABELS = ("compost", "landfill", "recycling")
Handler = Callable[[dict[str, Any]], dict[str, Any]]
NO_ACCOUNT: dict[str, Any] = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}


def container_answer() -> dict[str, Any]:
    answer = {
        "label": "recycling",
        "confidence": 0.93,
        "unknown": False,
        "reasons": [],
        "probabilities": {"compost": 0.02, "landfill": 0.05, "recycling": 0.93},
        "checks_skipped": [],
    }
    return {"answer": answer, "timings_ms": {"decode": 6.0, "preprocess": 1.0, "inference": 9.0}, "cold": False}


def bare_handler(url: str) -> Handler:
    client = boto3.client("sagemaker-runtime", region_name=REGION, endpoint_url=url, **NO_ACCOUNT)

    def handle(event: dict[str, Any]) -> dict[str, Any]:
        photo = base64.b64decode(event["body"])
        reply = client.invoke_endpoint(EndpointName="waste", Body=photo, ContentType="application/x-image")
        prediction = json.loads(reply["Body"].read())
        return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": json.dumps(prediction)}

    return handle


def our_handler(url: str, home: Path) -> Handler:
    settings = from_environment({"BINSIGHT_HOME": str(home), "BINSIGHT_ADMIN_KEY": KEY, "BINSIGHT_STARTER": "off"})
    services = embedded_services(settings)
    services.inference.store.write(
        Put(records.alias_record(Alias(Task.CLASSIFY, served(), "bench")), expected_version=0)
    )
    site = EndpointSite(region=REGION, bucket="none", role_arn="none", container_image="none")
    invocation = Invocation(
        lambda timeout_s: sagemaker_runtime_client(REGION, timeout_s, endpoint_url=url, **NO_ACCOUNT)
    )
    sagemaker = sagemaker_client(REGION, **NO_ACCOUNT)
    account = Account(sagemaker, service_quotas_client(REGION, **NO_ACCOUNT))
    runtime = SageMakerRuntime(Endpoints(sagemaker, site), account, invocation, services.uploads.blobs)
    answering = replace(services, inference=replace(services.inference, runtime=runtime))
    app = create_app(lambda: answering, None, EmfRecorder())
    return lambda event: app(event, None)


def served() -> ServedModel:
    decision = {"temperature": 1.0, "thresholds": dict.fromkeys(LABELS, 0.5), "ambiguous_margin": 0.1}
    manifest = {"labels": [{"name": name} for name in LABELS], "decision": decision}
    return ServedModel("waste", "waste-1", 1, "d" * 64, Task.CLASSIFY, "binsight", manifest)


def event_of(photo: bytes) -> dict[str, Any]:
    headers = {
        "Authorization": f"Bearer {KEY}",
        "Content-Type": "image/jpeg",
        "Accept": "*/*",
        "Host": "abc123.execute-api.eu-west-1.amazonaws.com",
        "X-Forwarded-For": "203.0.113.7",
    }
    return {
        "resource": "/classify",
        "path": "/classify",
        "httpMethod": "POST",
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {
            "resourcePath": "/classify",
            "httpMethod": "POST",
            "path": "/dev/classify",
            "stage": "dev",
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "identity": {"sourceIp": "203.0.113.7"},
        },
        "body": base64.b64encode(photo).decode(),
        "isBase64Encoded": True,
    }


@dataclass(frozen=True)
class Timed:
    """Milliseconds of every call: on the clock, and of this thread's own processor time."""

    clock_ms: list[float]
    processor_ms: list[float]


def timed_in_turn(handlers: dict[str, Handler], event: dict[str, Any], rounds: int) -> dict[str, Timed]:
    found = {name: Timed([], []) for name in handlers}
    for number in range(rounds + 5):
        for name, handle in list(handlers.items())[:: 1 if number % 2 else -1]:
            began_s, worked_s = time.perf_counter(), time.thread_time()
            response = handle(event)
            clock_s, processor_s = time.perf_counter() - began_s, time.thread_time() - worked_s
            assert response["statusCode"] == 200, response
            if number >= 5:
                found[name].clock_ms.append(clock_s * 1000)
                found[name].processor_ms.append(processor_s * 1000)
    return found


@contextmanager
def handlers() -> Iterator[dict[str, Handler]]:
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        answer.write_text(json.dumps(container_answer()))
        with running(answer) as url:
            yield {"bare": bare_handler(url), "binsight": our_handler(url, Path(folder) / "home")}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead", description=__doc__)
    parser.add_argument("--rounds", type=int, default=300)
    options = parser.parse_args()
    configure_logging()
    print("photo    handler   p50 ms  processor ms  p50 ratio  processor ratio")
    with handlers() as compared:
        for size, wanted in SIZES.items():
            with redirect_stdout(io.StringIO()):
                timed = timed_in_turn(compared, event_of(photo_of(wanted)), options.rounds)
            report(size, timed)
    print(f"aim: p50 ratio {AIM} or less; clock times of a busy machine say little, ratios more")
    return 0


def report(size: str, timed: dict[str, Timed]) -> None:
    bare = timed["bare"]
    for name, own in timed.items():
        clock, processor = statistics.median(own.clock_ms), statistics.median(own.processor_ms)
        ratio = clock / statistics.median(bare.clock_ms), processor / statistics.median(bare.processor_ms)
        print(f"{size:8s} {name:9s} {clock:6.2f} {processor:13.2f} {ratio[0]:10.3f} {ratio[1]:16.3f}")


if __name__ == "__main__":
    sys.exit(main())
