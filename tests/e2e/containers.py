"""Serving containers as processes or servers of the test, and a SageMaker in front of them that hands requests on."""

from __future__ import annotations

import http.client
import io
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from PIL import Image

from chalicelib.adapters.aws.clients import sagemaker_client
from chalicelib.adapters.aws.endpoints import Endpoints, EndpointSite
from chalicelib.adapters.aws.invocation import Invocation
from chalicelib.adapters.aws.sagemaker_runtime import SageMakerRuntime
from chalicelib.domain.ports import BlobStore
from tests.functional.client import Answer, Client
from tests.functional.service import free_port
from tests.integration.sagemaker_server import Asked, Reply, SageMakerServer, container_error

CHECKOUT = Path(__file__).parents[2]
SERVE = CHECKOUT / "training" / "container" / "serve"
START_S = 180
STOP_S = 60
REGION = "eu-west-1"


@dataclass(frozen=True)
class Container:
    """`client` speaks to it as SageMaker does, from this machine only."""

    process: subprocess.Popen[bytes]
    client: Client

    @property
    def children(self) -> list[int]:
        return [
            int(pid) for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        ]

    def invoke(self, photo: bytes, content_type: str = "application/octet-stream") -> Answer:
        return self.client.call("POST", "/invocations", photo, {"Content-Type": content_type})


def start(base: Path, model: Path | None, port: int, workers: int = 1) -> subprocess.Popen[bytes]:
    """The `serve` program with `model`'s files where SageMaker unpacks an artifact."""
    if model is not None:
        shutil.copytree(model, base / "model")
    environment = {
        **os.environ,
        "SAGEMAKER_BASE_DIR": str(base),
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "SAGEMAKER_MODEL_SERVER_WORKERS": str(workers),
        "BINSIGHT_HOST": "127.0.0.1",
        "BINSIGHT_PYTHON": sys.executable,
    }
    return subprocess.Popen([str(SERVE)], env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)


@contextmanager
def serving(base: Path, model: Path, workers: int = 1) -> Iterator[Container]:
    port = free_port()
    process = start(base, model, port, workers)
    container = Container(process, Client(port))
    try:
        wait_for(lambda: answers_pings(container))
        yield container
    finally:
        process.terminate()
        process.communicate(timeout=STOP_S)


def answers_pings(container: Container) -> bool:
    assert container.process.poll() is None, "serve ended by itself"
    try:
        return container.client.call("GET", "/ping").status == 200
    except OSError:
        return False


def wait_for(holds: Callable[[], bool]) -> None:
    end_s = time.monotonic() + START_S
    while not holds():
        assert time.monotonic() < end_s, f"not within {START_S} s"
        time.sleep(0.05)


def handed_on(client: Client) -> Callable[[Asked], Reply]:
    """SageMaker's part: an endpoint's invocations become the container's, and what it refuses a ModelError."""

    def reply(asked: Asked) -> Reply:
        assert asked.path.endswith("/invocations")
        answer = client.call("POST", "/invocations", asked.body, {"Content-Type": asked.content_type})
        return Reply(body=answer.body) if answer.status == 200 else container_error(answer.status, answer.body.decode())

    return reply


@contextmanager
def sagemaker_in_front_of(client: Client, blobs: BlobStore) -> Iterator[SageMakerRuntime]:
    """The real adapter, its real boto3 client, and real HTTP to the container."""
    site = EndpointSite(region=REGION, bucket="none", role_arn="none", container_image="none")
    never_asked = sagemaker_client(REGION, aws_access_key_id="testing", aws_secret_access_key="testing")
    with SageMakerServer([handed_on(client)]) as sagemaker:
        yield SageMakerRuntime(Endpoints(never_asked, site), never_asked, Invocation(sagemaker.client_for), blobs)


@contextmanager
def built_in_classifier(network: Path) -> Iterator[Client]:
    """As SageMaker's image-classification, with nothing of ours inside: it resizes, runs, and answers a bare list."""
    session = onnxruntime.InferenceSession(str(network), providers=["CPUExecutionProvider"])
    height, width = session.get_inputs()[0].shape[2:]

    def classify(body: bytes) -> list[float]:
        pixels = Image.open(io.BytesIO(body)).convert("RGB").resize((width, height))
        tensor = np.asarray(pixels, dtype=np.float32).transpose(2, 0, 1)[np.newaxis]
        (probabilities,) = session.run(["prob"], {"data": tensor})
        return [float(value) for value in probabilities[0]]

    with json_server(classify) as client:
        yield client


@contextmanager
def json_server(answer: Callable[[bytes], Any]) -> Iterator[Client]:
    """Answers every POST with what `answer` makes of its body."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.dumps(answer(self.rfile.read(int(self.headers["Content-Length"])))).encode()
            self.send_response(http.client.OK)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield Client(server.server_port)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
