"""What the frame loop costs beside its engine, whether its memory stays flat, and what it does while nothing comes.

    python -m benchmarks.campaigns.loop --out build/loop.json [--model model.tar.gz]

Without a model it trains a network of what cameras usually run (benchmarks/campaigns/loop_model.py), and takes the rate
of the starter model, too: that is so small that preparing a frame costs four times what its engine does.
The loop and the bare engine run by turns on the same model and frames, so that a busy machine slows both alike; the
figure is the median of the rounds' shares.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageFilter

from benchmarks.campaigns.loop_model import train
from device.camera import Camera
from device.config import ResultsConfig
from device.events import Events
from device.frame_loop import FrameLoop, Seen
from device.frame_source import FrameSource
from device.frame_spool import FrameSpool
from device.outbox import Outbox
from device.runtime.artifact import unpack
from device.runtime.predictor import Predictor
from device.runtime.tensor import frame_to_image

STARTER = Path("training/starter/model.tar.gz")
FRAME_SIZE = (640, 480)
KINDS = 16
ROUND_S = 2.0
ROUNDS = 15
IDLE_S = 10.0
MEMORY_SAMPLES = 20


class MadeFrames(Camera):
    """Frames as a camera's library gives them, arrays that have to be made into pictures; `number` None: never ends."""

    def __init__(self, arrays: Sequence[Any], number: int | None) -> None:
        self._arrays, self._number, self._given = arrays, number, 0

    @classmethod
    def open(cls, options: Any) -> MadeFrames:
        return cls(options["arrays"], options.get("number"))

    def next_frame(self) -> Image.Image | None:
        if self._number is not None and self._given >= self._number:
            return None
        self._given += 1
        return frame_to_image(self._arrays[self._given % len(self._arrays)], "BGR")

    def close(self) -> None:
        """Nothing is open."""


class NoFrames(Camera):
    """A camera that has nothing new."""

    @classmethod
    def open(cls, options: Any) -> NoFrames:
        return cls()

    def next_frame(self) -> Image.Image | None:
        time.sleep(IDLE_S * 2)
        return None

    def close(self) -> None:
        """Nothing is open."""


class Counter:
    def __init__(self) -> None:
        self.frames = 0

    def __call__(self, seen: Seen) -> None:
        self.frames += 1


class Rig:
    """A loop with the outbox and events behind it, as the camera's program has it."""

    def __init__(self, folder: Path, camera: Camera, predictor: Predictor) -> None:
        self.counter = Counter()
        outbox = Outbox(folder / "events", "b" * 32, FrameSpool(folder / "frames", 10**6), 4 * 1024 * 1024)
        self.source = FrameSource(lambda: camera)
        self.loop = FrameLoop(self.source, (Events(ResultsConfig(), outbox), self.counter))
        self.loop.start()
        self.loop.switch(predictor, "a" * 64)

    def frames_in(self, seconds: float) -> float:
        before, started = self.counter.frames, time.perf_counter()
        time.sleep(seconds)
        return (self.counter.frames - before) / (time.perf_counter() - started)


def arrays_of(size: tuple[int, int], draw: random.Random) -> list[Any]:
    import numpy as np

    found = []
    for _ in range(KINDS):
        image = Image.new("RGB", size, tuple(draw.randrange(256) for _ in range(3)))
        for _ in range(12):
            x, y = draw.randrange(size[0]), draw.randrange(size[1])
            image.paste(tuple(draw.randrange(256) for _ in range(3)), (x, y, x + size[0] // 4, y + size[1] // 4))
        found.append(np.asarray(image.filter(ImageFilter.GaussianBlur(1))).copy())
    return found


def bare_rate(predictor: Predictor, tensors: Sequence[Any], seconds: float) -> float:
    done, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        predictor.engine.run(tensors[done % len(tensors)])
        done += 1
    return done / (time.perf_counter() - started)


def measure_rate(folder: Path, model: Path) -> dict[str, Any]:
    """Both with one thread for the engine: the other core is the camera's."""
    arrays = arrays_of(FRAME_SIZE, random.Random(1))
    bare = Predictor.load(model, threads=1)
    tensors = [bare.prepare(frame_to_image(each, "BGR")).tensor for each in arrays]
    shares, loop_rates, bare_rates = [], [], []
    for _ in range(ROUNDS):
        bare_rates.append(bare_rate(bare, tensors, ROUND_S))
        rig = Rig(folder, MadeFrames(arrays, None), Predictor.load(model, threads=1))
        rig.frames_in(0.3)
        loop_rates.append(rig.frames_in(ROUND_S))
        rig.loop.stop()
        shares.append(loop_rates[-1] / bare_rates[-1])
    return {
        "loop_fps_median": round(statistics.median(loop_rates), 1),
        "engine_fps_median": round(statistics.median(bare_rates), 1),
        "share_median": round(statistics.median(shares), 4),
        "share_of_best": round(max(loop_rates) / max(bare_rates), 4),
        "rounds": ROUNDS,
        "frame_px": list(FRAME_SIZE),
    }


def measure_memory(folder: Path, model: Path, frames: int) -> dict[str, Any]:
    """Resident memory after a tenth of the frames, and how far it ever was from there."""
    arrays = arrays_of((160, 120), random.Random(2))
    rig = Rig(folder, MadeFrames(arrays, frames), Predictor.load(model, threads=1))
    samples: list[float] = []
    step = frames // MEMORY_SAMPLES
    while rig.counter.frames < frames and not (rig.source.has_ended and not rig.source.take()):
        if rig.counter.frames >= step * (len(samples) + 1):
            samples.append(resident_mb())
        time.sleep(0.05)
    time.sleep(0.5)
    rig.loop.stop()
    settled = samples[len(samples) // 10 :]
    return {
        "frames": rig.counter.frames,
        "resident_mb_first": settled[0],
        "resident_mb_last": settled[-1],
        "growth_mb": round(settled[-1] - settled[0], 2),
        "samples_mb": samples,
    }


def measure_idle(folder: Path, model: Path) -> dict[str, Any]:
    rig = Rig(folder, NoFrames(), Predictor.load(model, threads=1))
    time.sleep(0.5)
    before = resource.getrusage(resource.RUSAGE_SELF)
    time.sleep(IDLE_S)
    after = resource.getrusage(resource.RUSAGE_SELF)
    del rig
    used_s = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return {"seconds": IDLE_S, "cpu_s": round(used_s, 4), "cpu_share": round(used_s / IDLE_S, 5)}


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1024 / 1024, 2)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", type=Path, help="of any task; else a network is trained for a moment")
    parser.add_argument("--training-python", type=Path, default=Path(".venv-train/bin/python"))
    parser.add_argument("--frames", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = options.model or train(folder, options.training_python.absolute())
        unpack(model, folder / "model")
        unpack(STARTER, folder / "starter")
        figures = {
            "rate": measure_rate(folder, folder / "model"),
            "rate_of_starter": measure_rate(folder, folder / "starter"),
            "idle": measure_idle(folder, folder / "starter"),
            "memory": measure_memory(folder, folder / "starter", options.frames),
            "load_average": list(os.getloadavg()),
        }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps(figures, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
