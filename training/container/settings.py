"""What SageMaker and the Dockerfile tell the serving container."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DEFAULT_PORT = 8080
THREADS = 4
CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")
MAX_WORKERS = 64


class ServingError(RuntimeError):
    """The container cannot serve; the message says why, for a person."""


@dataclass(frozen=True)
class ServingSettings:
    """`model`: the folder that SageMaker unpacked the artifact into. `threads`: of each worker, for its connections."""

    model: Path
    host: str
    port: int
    workers: int
    engine: str
    threads: int = THREADS

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> ServingSettings:
        """Raises: ServingError."""
        root = Path(environ.get("SAGEMAKER_BASE_DIR") or "/opt/ml")
        return cls(
            model=root / "model",
            host=environ.get("BINSIGHT_HOST") or "0.0.0.0",
            port=_number(environ, "SAGEMAKER_BIND_TO_PORT", DEFAULT_PORT, 65535),
            workers=_number(environ, "SAGEMAKER_MODEL_SERVER_WORKERS", cores(), MAX_WORKERS),
            engine=environ.get("BINSIGHT_ENGINE") or "onnxruntime",
        )


def cores() -> int:
    """Those that this container may use: neither a pinned process nor a quota of the container sees all there are."""
    allowed = len(os.sched_getaffinity(0))
    try:
        quota, period = CGROUP_QUOTA.read_text().split()
        return max(1, min(allowed, round(int(quota) / int(period)), MAX_WORKERS))
    except (OSError, ValueError):
        return min(allowed, MAX_WORKERS)


def _number(environ: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = environ.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= most):
        raise ServingError(f"{name}={text!r} is not a number from 1 to {most}")
    return int(text)
