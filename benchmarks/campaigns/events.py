"""Events from a camera's outbox to the service, while both are killed and the network does what networks do.

    python -m benchmarks.campaigns.events --out build/events.json [--events 100000] [--kills 20]

The camera's process and the service's are each killed with SIGKILL, by turns, at equal shares of what has arrived, so
that the kills are spread over the whole run. Between them stands a network that loses requests, loses answers, delivers
twice, delivers late and out of order, and is away for a while.
At the end the service's own list is compared with the numbers that the outbox gave.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from scripts.service_process import ServiceProcess

DEVICE = "kitchen-1"
# About as many as arrive: events are made and sent to the end.
RATE_PER_S = 300.0
LOST_REQUESTS = LOST_ANSWERS = TWICE = LATE = 0.03
AWAY_EVERY_S, AWAY_S = 15.0, 1.0
HELD = 12
LONGEST_END_S = 600.0
VARIABLES = {"BINSIGHT_STARTER": "off", "BINSIGHT_RATE_PER_S": "1000000"}
Request = tuple[str, bytes, dict[str, str]]


@dataclass
class Network:
    """Between the camera and `port`, which changes when the service starts again."""

    draw: random.Random
    port: int = 0
    did: Counter[str] = field(default_factory=Counter)
    held: deque[Request] = field(default_factory=deque)
    acknowledged: Counter[str] = field(default_factory=Counter)
    started_s: float = field(default_factory=time.monotonic)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def carried(self, request: Request) -> tuple[int, bytes] | None:
        """The answer; None when it does not arrive."""
        with self.lock:
            fate = self.draw.random()
        if (time.monotonic() - self.started_s) % AWAY_EVERY_S > AWAY_EVERY_S - AWAY_S:
            self.did["away"] += 1
            return None
        if fate < LOST_REQUESTS:
            self.did["requests_lost"] += 1
            return None
        if fate < LOST_REQUESTS + LOST_ANSWERS:
            self.did["answers_lost"] += self._deliver(request) is not None
            return None
        if fate < LOST_REQUESTS + LOST_ANSWERS + TWICE:
            self.did["delivered_twice"] += self._deliver(request) is not None
        elif fate < LOST_REQUESTS + LOST_ANSWERS + TWICE + LATE:
            self.held.append(request)
        if len(self.held) > HELD:
            self.did["delivered_late"] += self._deliver(self.held.popleft()) is not None
        return self._deliver(request)

    def _deliver(self, request: Request) -> tuple[int, bytes] | None:
        path, body, headers = request
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("POST", path, body, headers)
            response = connection.getresponse()
            answer = response.status, response.read()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
        self._note(json.loads(body), *answer)
        return answer

    def _note(self, batch: dict[str, Any], status: int, data: bytes) -> None:
        """By boot: up to where the service has everything."""
        if status == 200:
            with self.lock:
                arrived = int(json.loads(data)["acknowledged"])
                self.acknowledged[batch["boot"]] = max(arrived, self.acknowledged[batch["boot"]])


def serve(network: Network) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            wanted = ("Authorization", "Content-Type", "Accept")
            answer = network.carried((self.path, body, {name: self.headers[name] for name in wanted}))
            if answer is None:
                self.close_connection = True
                return
            # A camera that was killed listens no more.
            with suppress(OSError):
                self._give(*answer)

        def _give(self, status: int, data: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Nobody wants to read of it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@dataclass
class Run:
    home: Path
    events: int
    network: Network
    url: str
    started_s: float = field(default_factory=time.monotonic)
    killed_at_s: list[float] = field(default_factory=list)

    def service(self) -> ServiceProcess:
        process = ServiceProcess(self.home / "service", self.home / "service.log", VARIABLES)
        self.network.port = process.port
        return process

    def camera(self) -> subprocess.Popen[bytes]:
        arguments = [self.home / "camera", self.url, DEVICE, self.home / "device.key", self.events, RATE_PER_S]
        command = [sys.executable, "-m", "benchmarks.campaigns.events_camera", *map(str, arguments)]
        return subprocess.Popen(command)

    def numbered(self) -> set[tuple[str, int]]:
        lines = (self.home / "camera" / "numbered.log").read_text().split("\n")[:-1]
        return {(line.split()[0], int(line.split()[1])) for line in lines}

    def progress(self) -> float:
        """What has arrived of all that will be made."""
        return self.network.acknowledged.total() / self.events


def killed_to_the_end(run: Run, kills: int) -> ServiceProcess:
    """Both by turns, at equal shares of what has arrived. The service that runs at the end."""
    service, camera = run.service(), run.camera()
    for kill in range(2 * kills):
        assert run.progress() < 1, "everything has arrived before the last kill"
        while run.progress() < (kill + 1) / (2 * kills + 2) and camera.poll() is None:
            time.sleep(0.02)
        run.killed_at_s.append(round(time.monotonic() - run.started_s, 1))
        if kill % 2:
            os.kill(service.pid, signal.SIGKILL)
            service.stop()
            service = run.service()
        else:
            camera.kill()
            camera.wait()
            camera = run.camera()
    camera.wait(LONGEST_END_S)
    return service


def listed(service: ServiceProcess) -> list[tuple[str, int]]:
    """Every event as the service lists it."""
    found, cursor = [], ""
    while True:
        page = service.client.call("GET", f"/events?device={DEVICE}&limit=200{cursor}")
        found += [(each["boot"], each["sequence"]) for each in page["items"]]
        if page["next"] is None:
            return found
        cursor = f"&cursor={page['next']}"


def measure(events: int, kills: int, seed: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        (home / "camera").mkdir()
        network = Network(random.Random(seed))
        run = Run(home, events, network, f"http://127.0.0.1:{serve(network).server_port}")
        first = run.service()
        device = first.client.call("POST", "/devices", {"id": DEVICE, "fleet": "kitchen"})
        (home / "device.key").write_text(str(device["key"]))
        first.stop()
        run.started_s = time.monotonic()
        service = killed_to_the_end(run, kills)
        took_s = time.monotonic() - run.started_s
        found, numbered = listed(service), run.numbered()
        service.stop()
    return {
        "events": len(numbered),
        "listed": len(found),
        "lost": len(numbered - set(found)),
        "duplicates": len(found) - len(set(found)),
        "camera_kills": kills,
        "service_kills": kills,
        "killed_at_s": run.killed_at_s,
        "boots": len({boot for boot, _ in numbered}),
        "network": dict(network.did),
        "seconds": round(took_s, 1),
        "events_per_s": round(len(numbered) / took_s, 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    figures = measure(options.events, options.kills, options.seed)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps(figures, indent=2))
    return 1 if figures["lost"] or figures["duplicates"] else 0


if __name__ == "__main__":
    sys.exit(main())
