"""Photos a second of the embedded service, beside a bare loop on the same photos.

    python -m benchmarks.throughput --model model.tar.gz --photos photos/

One process each: the service (`python -m chalicelib.server`), asked over HTTP by 1 and by 8 clients that keep their
connections, and benchmarks/bare_loop.py with as many threads, in each of its settings: the one that is fastest is what
the service is held against. They take turns of a second; reported are medians, and the ratio within a round with its
quartiles. The clients' own work is on this machine too and counts against the service's photos a second. On a machine
that others use as well, the processor time of a photo is the steadier figure: its ratio is bare over service.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bare_loop import SETTINGS
from device.runtime.artifact import unpack
from scripts.service_process import ServiceProcess

AIM = 0.85
CLIENTS = (1, 8)
PHOTOS = 200
RECEIVED_BYTES = 1 << 16


@dataclass(frozen=True)
class Done:
    """One turn of a process: photos, how long it took, and the processor time that it spent meanwhile."""

    photos: int
    seconds: float
    processor_s: float

    @property
    def rate(self) -> float:
        return self.photos / self.seconds

    @property
    def processor_ms(self) -> float:
        return self.processor_s * 1000 / max(1, self.photos)


Turn = Callable[[int, float], Done]
SERVICE = "service"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.throughput", description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="model.tar.gz of a classifier")
    parser.add_argument("--photos", type=Path, required=True, help="a folder of JPEGs, at any depth")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each turn")
    options = parser.parse_args()
    paths = sorted(options.photos.rglob("*.jp*g"))
    paths = paths[:: max(1, len(paths) // PHOTOS)]
    with tempfile.TemporaryDirectory() as folder, started(Path(folder), options.model, paths) as turns:
        print("                      photos a second                              processor ms a photo")
        print("clients  bare          bare  service  ratio (quartiles)            bare  service   ratio", flush=True)
        for clients in CLIENTS:
            report(clients, compare(clients, turns, options.rounds, options.seconds))
    print(f"aim: {AIM} or more, against the fastest of the bare loops")
    return 0


def compare(clients: int, turns: Mapping[str, Turn], rounds: int, seconds: float) -> list[dict[str, Done]]:
    """Each round has them all in an order of its own; the first, in which everything is new, is left out."""
    order, found = list(turns), []
    for _ in range(rounds + 1):
        random.shuffle(order)
        found.append({name: turns[name](clients, seconds) for name in order})
    return found[1:]


def report(clients: int, rounds: list[dict[str, Done]]) -> None:
    for name in SETTINGS:
        low, ratio, high = statistics.quantiles((each[SERVICE].rate / each[name].rate for each in rounds), n=4)
        processor = statistics.median(each[name].processor_ms / each[SERVICE].processor_ms for each in rounds)
        rates = [statistics.median(each[side].rate for each in rounds) for side in (name, SERVICE)]
        work = [statistics.median(each[side].processor_ms for each in rounds) for side in (name, SERVICE)]
        print(
            f"{clients:7d}  {name:11s} {rates[0]:7.1f} {rates[1]:8.1f} {ratio:6.3f} ({low:.3f}, {high:.3f})"
            f" {work[0]:15.2f} {work[1]:8.2f} {processor:7.3f}",
            flush=True,
        )


@contextmanager
def started(folder: Path, model: Path, photos: list[Path]) -> Iterator[dict[str, Turn]]:
    """A turn for each setting of the bare loop, and one for the service."""
    unpack(model, folder / "model")
    command = [sys.executable, "-m", "benchmarks.bare_loop", str(folder / "model"), *map(str, photos)]
    service = ServiceProcess(folder / "home", folder / "log", {"BINSIGHT_STARTER": str(model)})
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as bare:
        assert bare.stdout is not None
        bare.stdout.readline()
        requests = [request_of(path.read_bytes(), service.client.key) for path in photos]
        try:
            yield {**{name: bare_turn(bare, name) for name in SETTINGS}, SERVICE: asked_of(service, requests)}
        finally:
            bare.terminate()
            service.stop()


def bare_turn(bare: subprocess.Popen[str], setting: str) -> Turn:
    def turn(threads: int, seconds: float) -> Done:
        assert bare.stdin is not None
        assert bare.stdout is not None
        print(setting, threads, seconds, file=bare.stdin, flush=True)
        count, seconds_taken, processor_s = bare.stdout.readline().split()
        return Done(int(count), float(seconds_taken), float(processor_s))

    return turn


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
        started_s, worked_s = time.perf_counter(), processor_s(service.pid)
        end_s = started_s + seconds
        asking = [
            threading.Thread(target=lambda first=first: counts.append(ask(service.port, requests, first, end_s)))
            for first in range(clients)
        ]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
        return Done(sum(counts), time.perf_counter() - started_s, processor_s(service.pid) - worked_s)

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
