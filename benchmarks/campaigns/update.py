"""A camera killed with SIGKILL at random moments of an update: does it always start with a whole model that answers?

    python -m benchmarks.campaigns.update --out build/update.json [--kills 200]

The child does what the agent does, over and over: download (over HTTP, going on where it broke off), digest, unpack,
load and self-test, write down the switch, confirm, tidy up. It is forked, so that a kill costs no start-up.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from device.download import Download
from device.engine_choice import EngineChoice
from device.model_store import ModelStore
from device.runtime.artifact import digest_of, pack, verify
from device.transport import Transport
from device.trial import load_tested
from tests.device.models import model_folder

LONGEST_S = 0.6
CHUNK_BYTES = 2048


def archives_in(folder: Path) -> dict[str, bytes]:
    """Three models that differ, by digest."""
    found = {}
    for name in ("one", "two", "three"):
        archive = folder / f"{name}.tar.gz"
        pack(model_folder(folder / name, name=name), archive)
        found[digest_of(archive)] = archive.read_bytes()
    return found


def serve(archives: dict[str, bytes]) -> ThreadingHTTPServer:
    """A shelf with ranges that hands out its files a little at a time, so that kills fall into downloads too."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = archives[self.path.strip("/")]
            start = int(self.headers.get("Range", "bytes=0-")[6:-1])
            self.send_response(206 if "Range" in self.headers else 200)
            self.send_header("ETag", '"e"')
            self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            try:
                for at in range(start, len(data), CHUNK_BYTES):
                    self.wfile.write(data[at : at + CHUNK_BYTES])
                    time.sleep(0.01)
            except OSError:
                return

        def log_message(self, *_: Any) -> None:
            """Nobody wants to read of it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    return server


def update_for_ever(home: Path, url: str, sizes: dict[str, int], stage: Any) -> None:
    """`stage`: a pipe that is told what is being done."""
    store = ModelStore(home, keep_free_bytes=0)
    running = store.begin()
    while True:
        store.lasted()
        digest = next(each for each in sizes if each != running and each != store.pointer.previous)
        download = Download(Transport(), store.downloads, store.make_room)
        os.write(stage, b"d")
        part = download.fetch({"url": f"{url}/{digest}", "digest": digest, "bytes": sizes[digest]})
        os.write(stage, b"s")
        store.stage(part, digest)
        download.forget(digest)
        os.write(stage, b"t")
        load_tested(store.slot(digest), EngineChoice(threads=1)).close()
        os.write(stage, b"a")
        store.activate(digest, f"promotion-{digest[:4]}")
        os.write(stage, b"c")
        store.confirm()
        running = digest


def in_a_child(work: Any) -> int:
    """The child's process id; it ends with the work."""
    child = os.fork()
    if child:
        return child
    try:
        work()
    except BaseException as error:  # noqa: BLE001 - the child's outermost edge
        print(f"child: {type(error).__name__}: {error}", file=sys.stderr)
        os._exit(1)
    os._exit(0)


def starts_whole(home: Path) -> bool:
    """As the next start of the agent finds it: loaded, and its own test answered."""

    def start() -> None:
        store = ModelStore(home, keep_free_bytes=0)
        digest = store.begin()
        assert digest is not None, "there is no model"
        verify(store.slot(digest))
        load_tested(store.slot(digest), EngineChoice(threads=1)).close()
        store.lasted()

    _, status = os.waitpid(in_a_child(start), 0)
    return status == 0


def killed_once(home: Path, url: str, sizes: dict[str, int], after_s: float) -> str:
    """What was being done when the kill came."""
    reading, writing = os.pipe()
    child = in_a_child(lambda: update_for_ever(home, url, sizes, writing))
    os.close(writing)
    time.sleep(after_s)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    told = os.read(reading, 65536)
    os.close(reading)
    names = {"d": "download", "s": "stage", "t": "self_test", "a": "activate", "c": "confirm"}
    return names[told[-1:].decode()] if told else "start"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    draw, during, failures = random.Random(options.seed), Counter[str](), 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        archives = archives_in(folder)
        server = serve(archives)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url, home = f"http://127.0.0.1:{server.server_port}", folder / "models"
        ModelStore(home, keep_free_bytes=0).install_factory(folder / "one.tar.gz")
        sizes = {digest: len(data) for digest, data in archives.items()}
        for _ in range(options.kills):
            during[killed_once(home, url, sizes, draw.uniform(0, LONGEST_S))] += 1
            failures += not starts_whole(home)
        slots = len(ModelStore(home, keep_free_bytes=0).sizes())
    figures = {"kills": options.kills, "not_whole": failures, "killed_during": dict(during), "slots_at_the_end": slots}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps(figures, indent=2))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
