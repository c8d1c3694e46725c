"""SageMaker's part of a training: its wire protocol on loopback, behind which our container's own programs run.

Channels are fetched from S3 into the container's layout, the program runs as a process, and what it leaves is put where
the request says. A program that ends with another code than 0 is a failed job with the words of its `failure` file.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

PROGRAMS = Path(__file__).parents[2] / "training" / "container"
ARN = "arn:aws:sagemaker:eu-west-1:123456789012:{}/{}"
TARGET = "SageMaker."
PROGRAM_TIMEOUT_S = 600


class RefusedError(Exception):
    """An error of SageMaker's own: its code and its message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Job:
    """`outcome`: why it failed; nothing, where it did not."""

    request: dict[str, Any]
    outcome: Future[str]

    def status(self) -> tuple[str, str]:
        if not self.outcome.done():
            return "InProgress", ""
        # A program that could not be run, or not to its end, is a failed job too: nobody would ever hear of it else.
        error = self.outcome.exception()
        reason = repr(error) if error else self.outcome.result()
        return ("Failed", reason) if reason else ("Completed", "")


@dataclass
class SageMakerJobsServer:
    """`s3` is boto3's client; `settings` are variables of the container's environment."""

    s3: Any
    work: Path
    settings: Mapping[str, str]
    jobs: dict[str, Job] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def serving(self) -> Iterator[str]:
        """The address that boto3 takes as `AWS_ENDPOINT_URL_SAGEMAKER`."""
        handler = type("Handler", (_Handler,), {"jobs_server": self})
        with ThreadPoolExecutor(1) as self.pool, ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.02,))
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_port}"
            finally:
                server.shutdown()
                thread.join()

    def answer(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """Raises: RefusedError."""
        name = request.get("TrainingJobName") or request["ProcessingJobName"]
        if operation.startswith("Describe"):
            if name not in self.jobs:
                raise RefusedError("ValidationException", "Requested resource not found.")
            job = self.jobs[name]
            return _described_training(name, job) if "Training" in operation else _described_processing(name, job)
        program = self._train if operation == "CreateTrainingJob" else self._process
        with self.lock:
            if name in self.jobs:
                raise RefusedError("ResourceInUse", f"{name} exists already.")
            self.jobs[name] = Job(request, self.pool.submit(program, request, self.work / name))
        return {
            "TrainingJobArn": ARN.format("training-job", name),
            "ProcessingJobArn": ARN.format("processing-job", name),
        }

    def _train(self, request: dict[str, Any], base: Path) -> str:
        for channel in request["InputDataConfig"]:
            self._fetch(
                channel["DataSource"]["S3DataSource"]["S3Uri"], base / "input" / "data" / channel["ChannelName"]
            )
        (base / "input" / "config").mkdir(parents=True)
        (base / "input" / "config" / "hyperparameters.json").write_text(json.dumps(request["HyperParameters"]))
        failure = self._run("train", base, {}, base / "output" / "failure")
        if not failure:
            self._put(_artifact(request), _packed(base / "model"))
        return f"AlgorithmError: {failure}" if failure else ""

    def _process(self, request: dict[str, Any], base: Path) -> str:
        for each in request["ProcessingInputs"]:
            place = Path(each["S3Input"]["LocalPath"]).relative_to("/opt/ml")
            self._fetch(each["S3Input"]["S3Uri"], base / place)
        (program,) = request["AppSpecification"]["ContainerArguments"]
        output = base / "processing" / "output"
        failure = self._run(program, base, request["Environment"], output / "failure")
        (put,) = request["ProcessingOutputConfig"]["Outputs"]
        for path in sorted(output.iterdir()):
            self._put(f"{put['S3Output']['S3Uri']}/{path.name}", path.read_bytes())
        return failure

    def _run(self, program: str, base: Path, settings: Mapping[str, str], failure: Path) -> str:
        environment = {**os.environ, **self.settings, **settings, "SAGEMAKER_BASE_DIR": str(base)}
        with (base / "log.txt").open("wb") as log:
            command = [str(PROGRAMS / program)]
            code = subprocess.run(
                command, env=environment, stdout=log, stderr=log, check=False, timeout=PROGRAM_TIMEOUT_S
            ).returncode
        if code == 0:
            return ""
        return failure.read_text() if failure.is_file() else (base / "log.txt").read_text()[-500:]

    def _fetch(self, address: str, folder: Path) -> None:
        """What lies under an address, as SageMaker copies it: names as they follow the prefix."""
        bucket, prefix = _place(address)
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        for key in [each["Key"] for page in pages for each in page.get("Contents", [])]:
            target = folder / (key.removeprefix(prefix).lstrip("/") or Path(key).name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(self.s3.get_object(Bucket=bucket, Key=key)["Body"].read())

    def _put(self, address: str, content: bytes) -> None:
        bucket, key = _place(address)
        self.s3.put_object(Bucket=bucket, Key=key, Body=content)


def _artifact(request: Mapping[str, Any]) -> str:
    return f"{request['OutputDataConfig']['S3OutputPath']}/{request['TrainingJobName']}/output/model.tar.gz"


def _described_training(name: str, job: Job) -> dict[str, Any]:
    asked = ("AlgorithmSpecification", "HyperParameters", "InputDataConfig", "ResourceConfig", "StoppingCondition")
    status, reason = job.status()
    return {
        "TrainingJobName": name,
        "TrainingJobArn": ARN.format("training-job", name),
        "TrainingJobStatus": status,
        "SecondaryStatus": status,
        "ModelArtifacts": {"S3ModelArtifacts": _artifact(job.request)},
        "FailureReason": reason,
        "CreationTime": 0,
        **{key: job.request[key] for key in asked},
    }


def _described_processing(name: str, job: Job) -> dict[str, Any]:
    status, reason = job.status()
    return {
        "ProcessingJobName": name,
        "ProcessingJobArn": ARN.format("processing-job", name),
        "ProcessingJobStatus": status,
        "ExitMessage": reason,
        "CreationTime": 0,
        **{key: job.request[key] for key in ("AppSpecification", "ProcessingResources")},
    }


def _place(address: str) -> tuple[str, str]:
    parts = urlsplit(address)
    return parts.netloc, parts.path.lstrip("/")


def _packed(folder: Path) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, path.name)
    return content.getvalue()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    jobs_server: ClassVar[SageMakerJobsServer]

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        operation = self.headers["X-Amz-Target"].removeprefix(TARGET)
        try:
            status, answer = 200, self.jobs_server.answer(operation, request)
        except RefusedError as error:
            status, answer = 400, {"__type": error.code, "message": str(error)}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""
