"""Photos a second of the embedded service, beside a bare loop on the same photos.

    python -m benchmarks.throughput --model model.tar.gz --photos photos/

One process each: the service (`python -m chalicelib.server`), asked over HTTP by 1 and by 8 clients that keep their
connections, and benchmarks/bare_loop.py with as many threads. They take turns of a few seconds; medians and their ratio
are reported. The clients' own work is on this machine too and counts against the service's photos a second. On a
machine that others use as well, the processor time of a photo is the steadier figure: its ratio is bare over service.
"""

from __future__ import annotations

import argparse
import itertools
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from device.runtime.artifact import unpack
from scripts.service_process import ServiceProcess

AIM = 0.85
CLIENTS = (1, 8)
PHOTOS = 200
RECEIVED_BYTES = 1 << 16


@dataclass(frozen=True)
class Done:
    """One turn of a process: photos, and the processor time that it spent meanwhile."""

    photos: int
    processor_s: float

    @property
    def processor_ms(self) -> float:
        return self.processor_s * 1000 / max(1, self.photos)


@dataclass(frozen=True)
class Round:
    bare: Done
    service: Done


Turn = Callable[[int, float], Done]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.throughput", description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="model.tar.gz of a classifier")
    parser.add_argument("--photos", type=Path, required=True, help="a folder of JPEGs, at any depth")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each turn")
    options = parser.parse_args()
    paths = sorted(options.photos.rglob("*.jp*g"))
    paths = paths[:: max(1, len(paths) // PHOTOS)]
    with tempfile.TemporaryDirectory() as folder, both(Path(folder), options.model, paths) as (bare, service):
        print("                photos a second           processor ms a photo")
        print("clients  round      bare  service   ratio           bare  service   ratio", flush=True)
        for clients in CLIENTS:
            compare(clients, bare, service, options.rounds, options.seconds)
    print(f"aim: {AIM} or more; turns of one round stand beside each other, so their ratio says more than either")
    return 0


def compare(clients: int, bare: Turn, service: Turn, rounds: int, seconds: float) -> None:
    found: list[Round] = []
    for number in range(rounds + 1):
        turns = [("bare", bare), ("service", service)][:: 1 if number % 2 else -1]
        done = {name: turn(clients, seconds) for name, turn in turns}
        if number > 0:
            found.append(Round(done["bare"], done["service"]))
            report(clients, str(number), found[-1:], seconds)
    report(clients, "median", found, seconds)


def report(clients: int, name: str, rounds: list[Round], seconds: float) -> None:
    rates = [statistics.median(getattr(each, side).photos / seconds for each in rounds) for side in ("bare", "service")]
    clock = statistics.median(each.service.photos / each.bare.photos for each in rounds)
    work = [statistics.median(getattr(each, side).processor_ms for each in rounds) for side in ("bare", "service")]
    processor = statistics.median(each.bare.processor_ms / each.service.processor_ms for each in rounds)
    print(
        f"{clients:7d}  {name:6s} {rates[0]:8.1f} {rates[1]:8.1f} {clock:7.3f}"
        f" {work[0]:14.2f} {work[1]:8.2f} {processor:7.3f}",
        flush=True,
    )


@contextmanager
def both(folder: Path, model: Path, photos: list[Path]) -> Iterator[tuple[Turn, Turn]]:
    unpack(model, folder / "model")
    command = [sys.executable, "-m", "benchmarks.bare_loop", str(folder / "model"), *map(str, photos)]
    service = ServiceProcess(folder / "home", folder / "log", {"BINSIGHT_STARTER": str(model)})
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as bare:
        assert bare.stdin is not None
        assert bare.stdout is not None
        bare.stdout.readline()
        written, read = bare.stdin, bare.stdout

        def turn(threads: int, seconds: float) -> Done:
            print(threads, seconds, file=written, flush=True)
            count, processor_s = read.readline().split()
            return Done(int(count), float(processor_s))

        try:
            yield turn, asked_of(service, [request_of(path.read_bytes(), service.client.key) for path in photos])
        finally:
            bare.terminate()
            service.stop()


def request_of(photo: bytes, key: str) -> bytes:
    head = (
        "POST /classify HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {key}",
        f"Content-Length: {len(photo)}",
    )
    return "\r\n".join((*head, "", "")).encode() + photo


def asked_of(service: ServiceProcess, requests: list[bytes]) -> Turn:
    def turn(clients: int, seconds: float) -> Done:
        counts: list[int] = []
        worked_s = processor_s(service.pid)
        end_s = time.perf_counter() + seconds
        asking = [
            threading.Thread(target=lambda first=first: counts.append(ask(service.port, requests, first, end_s)))
            for first in range(clients)
        ]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
        return Done(sum(counts), processor_s(service.pid) - worked_s)

    return turn


def processor_s(pid: int) -> float:
    """Of all its threads, in the program and in the kernel."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ask(port: int, requests: list[bytes], first: int, end_s: float) -> int:
    """How many photos one client had answered. A client of the standard library costs a third of a millisecond more."""
    count = 0
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for request in itertools.islice(itertools.cycle(requests), first, None):
            if time.perf_counter() >= end_s:
                return count
            connection.sendall(request)
            receive(connection)
            count += 1
    return count


def receive(connection: socket.socket) -> None:
    """One whole answer, which must be a 200."""
    received = connection.recv(RECEIVED_BYTES)
    while b"\r\n\r\n" not in received:
        received += connection.recv(RECEIVED_BYTES)
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), received[:300]
    (length,) = [int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    while len(body) < length:
        body += connection.recv(RECEIVED_BYTES)


if __name__ == "__main__":
    sys.exit(main())
