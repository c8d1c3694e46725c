"""The least that can be done: decode, resize, run, in one process and nothing around it.

`python -m benchmarks.bare_loop <model folder> <photo> ...` reads lines "<setting> <threads> <seconds>" and answers each
with how many photos it did, and the seconds and the seconds of processor time that they took. The network's input is
0-255 in RGB, as the manifest of every model of ours says.
"""

from __future__ import annotations

import io
import itertools
import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from PIL import Image

# The engine's threads (0: as many as cores) and further options: as onnxruntime comes; asleep between layers; only the
# caller's, which suits a program that has several itself; spinning as briefly as those of the service.
SETTINGS: dict[str, tuple[int, dict[str, str]]] = {
    "default": (0, {}),
    "no-spinning": (0, {"session.intra_op.allow_spinning": "0"}),
    "one-thread": (1, {}),
    "as-service": (0, {"session.intra_op.spin_duration_us": "100"}),
}


def main(folder: Path, photos: list[bytes]) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    sessions = {name: session_of(folder, *setting) for name, setting in SETTINGS.items()}
    print("ready", flush=True)
    for line in sys.stdin:
        name, threads, seconds = line.split()
        started_s, worked_s = time.perf_counter(), time.process_time()
        count = done(sessions[name], manifest, photos, int(threads), float(seconds))
        print(count, time.perf_counter() - started_s, time.process_time() - worked_s, flush=True)


def session_of(folder: Path, engine_threads: int, entries: dict[str, str]) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = engine_threads
    for name, value in entries.items():
        options.add_session_config_entry(name, value)
    return onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])


def done(session: Any, manifest: dict[str, Any], photos: list[bytes], threads: int, seconds: float) -> int:
    counts: list[int] = []
    end_s = time.perf_counter() + seconds

    def work(first: int) -> None:
        count = 0
        for photo in itertools.islice(itertools.cycle(photos), first, None):
            if time.perf_counter() >= end_s:
                break
            answer(session, manifest, photo)
            count += 1
        counts.append(count)

    working = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for thread in working:
        thread.start()
    for thread in working:
        thread.join()
    return sum(counts)


def answer(session: Any, manifest: dict[str, Any], photo: bytes) -> Any:
    spec = manifest["input"]
    size = (spec["width"], spec["height"])
    image = Image.open(io.BytesIO(photo)).convert("RGB").resize(size, Image.Resampling.BILINEAR)
    tensor = np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1), dtype=np.float32)[np.newaxis]
    return session.run([manifest["outputs"]["probabilities"]], {spec["name"]: tensor})[0].argmax()


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(path).read_bytes() for path in sys.argv[2:]])
