"""MiniStack: DynamoDB and S3 over real HTTP on loopback, from an environment of its own that the tests do not make."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
START_TIMEOUT_S = 180.0
HOW = "MiniStack is not installed: make ministack, or BINSIGHT_MINISTACK=<its program>"


class MiniStackError(Exception):
    """It did not start; the message holds what it wrote."""


def program() -> Path | None:
    found = Path(os.environ.get("BINSIGHT_MINISTACK") or ROOT / ".venv-ministack" / "bin" / "ministack")
    return found if found.exists() else None


@contextmanager
def running(executable: Path, folder: Path) -> Iterator[str]:
    """Its address, while it runs. Raises: MiniStackError."""
    port = _free_port()
    settings = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "HOME": str(folder), "TMPDIR": str(folder)}
    # Its MQTT listener would open a fixed port.
    settings["IOT_MTLS_ENABLED"] = "0"
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [str(executable)], cwd=folder, env={**os.environ, **settings}, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        _wait_for(port, process, folder / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < end_s and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise MiniStackError(log.read_text()[-2000:])
