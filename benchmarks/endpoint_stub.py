"""SageMaker's runtime in a process of its own: reads what it is sent and answers the same bytes every time.

`python -m benchmarks.endpoint_stub <file with the answer>` prints its port and serves until it is ended.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHUNK_BYTES = 1 << 18


def serve(answer: bytes) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(answer)}\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as listening:
        print(listening.getsockname()[1], flush=True)
        while True:
            connection, _ = listening.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=talk, args=(connection, head.encode() + answer), daemon=True).start()


def talk(connection: socket.socket, answer: bytes) -> None:
    buffer = bytearray(CHUNK_BYTES)
    with connection:
        while (left := body_left(connection)) is not None:
            while left > 0:
                received = connection.recv_into(buffer, min(left, CHUNK_BYTES))
                if received == 0:
                    return
                left -= received
            connection.sendall(answer)


def body_left(connection: socket.socket) -> int | None:
    """How much of the body is still to come, once the headers are read; None when the connection ends."""
    received = b""
    while b"\r\n\r\n" not in received:
        more = connection.recv(CHUNK_BYTES)
        if not more:
            return None
        received += more
        if b"100-continue" in received.lower() and received.endswith(b"\r\n\r\n"):
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    head, _, body = received.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    return int(lengths[0]) - len(body)


@contextmanager
def running(answer: Path) -> Iterator[str]:
    """The stub's address."""
    command = [sys.executable, "-m", "benchmarks.endpoint_stub", str(answer)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


if __name__ == "__main__":
    serve(Path(sys.argv[1]).read_bytes())
