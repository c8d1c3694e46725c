"""A model's first load, in a process of its own: one that crashes the engine must not take the camera along."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import List

from device.engine_choice import EngineChoice
from device.runtime.engines import EngineError
from device.runtime.manifest import ManifestError
from device.runtime.predictor import Predictor
from device.runtime.self_test import SelfTestError

TIMEOUT_S = 300.0
_ROOT = Path(__file__).parent.parent


class TrialError(Exception):
    """code: as a report's failure has it, `self_test` or `engine`."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def try_apart(slot: Path, engine: EngineChoice, timeout_s: float = TIMEOUT_S) -> None:
    """Raises: TrialError."""
    command = [sys.executable, "-m", "device", "self-test", str(slot), *engine.arguments()]
    try:
        done = subprocess.run(
            command, cwd=str(_ROOT), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout_s
        )
    except subprocess.TimeoutExpired:
        raise TrialError("engine", "the model did not load and answer in %g s" % timeout_s) from None
    except OSError as error:
        raise TrialError("other", "the trial cannot be started: %s" % error) from error
    if done.returncode < 0:
        raise TrialError("engine", "the model ended the engine's process with signal %d" % -done.returncode)
    if done.returncode > 0:
        raise TrialError("self_test", _last_line(done.stdout))


def load_tested(slot: Path, engine: EngineChoice) -> Predictor:
    """The predictor that will serve frames, which has passed its own test. Raises: TrialError."""
    try:
        predictor = engine.load(slot)
    except (EngineError, ManifestError, OSError) as error:
        raise TrialError("engine", str(error)) from error
    try:
        predictor.self_test()
    except SelfTestError as error:
        predictor.close()
        raise TrialError("self_test", str(error)) from error
    return predictor


def _last_line(output: bytes) -> str:
    lines: List[str] = output.decode(errors="replace").strip().splitlines()
    return lines[-1][:400] if lines else "the model's own test failed and said nothing"
