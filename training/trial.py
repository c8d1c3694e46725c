"""One trial of a tuning: the training program with other hyperparameters, its metric read as SageMaker reads it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from training.datasets.built_in import write_whole
from training.definition import Definition, DefinitionError, Tuning

REPOSITORY = Path(__file__).resolve().parent.parent
TERMINATION_S = 10.0


class TrialFailedError(RuntimeError):
    """The training program ended without a model, or never said its metric."""


@dataclass(frozen=True)
class Trials:
    """`data` holds the channels, the same for all; each trial has a folder of its own under `work`."""

    definition: Definition
    tuning: Tuning
    data: Path
    work: Path
    training_python: Path
    fixed: Mapping[str, str]

    def run(self, number: int, chosen: Mapping[str, str], keep_on: Callable[[int, float], bool]) -> float:
        """The metric after the last epoch. `keep_on(epoch, value)` may end it early; then the value so far counts.

        Raises: TrialFailedError.
        """
        layout = self._laid_out(number, chosen)
        environment = {**os.environ, "SAGEMAKER_BASE_DIR": str(layout), "PYTHONPATH": str(REPOSITORY)}
        command = [str(self.training_python), "-m", "training.train"]
        values = []
        with (layout / "log.txt").open("w", encoding="utf-8") as log:
            program = subprocess.Popen(
                command, env=environment, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=log, text=True
            )
            try:
                for value in metric_values(program.stdout or (), self.pattern):
                    values.append(value)
                    if not keep_on(len(values), value):
                        return value
                code = program.wait()
            finally:
                end(program)
                shutil.rmtree(layout / "checkpoints", ignore_errors=True)
        if code != 0 or not values:
            raise TrialFailedError(_reason(layout, code))
        return values[-1]

    @property
    def pattern(self) -> str:
        return self.definition.metrics[self.tuning.objective]

    def _laid_out(self, number: int, chosen: Mapping[str, str]) -> Path:
        layout = self.work / f"trial-{number:03d}"
        shutil.rmtree(layout, ignore_errors=True)
        (layout / "input" / "config").mkdir(parents=True)
        (layout / "input" / "data").symlink_to(self.data.resolve(), target_is_directory=True)
        values = {"task": self.definition.task, **self.fixed, **chosen}
        (layout / "input" / "config" / "hyperparameters.json").write_text(json.dumps(values, indent=2) + "\n")
        return layout


def metric_values(lines: Iterable[str], pattern: str) -> Iterator[float]:
    for line in lines:
        found = re.search(pattern, line)
        if found:
            yield float(found[1])


def end(program: subprocess.Popen[str]) -> None:
    """It may have ended already."""
    if program.poll() is None:
        program.terminate()
        try:
            program.wait(TERMINATION_S)
        except subprocess.TimeoutExpired:
            program.kill()
            program.wait()
    if program.stdout:
        program.stdout.close()


def _reason(layout: Path, code: int) -> str:
    failure = layout / "output" / "failure"
    if failure.exists():
        return failure.read_text(encoding="utf-8")
    return f"the training program ended with code {code} and never said its metric; see {layout / 'log.txt'}"


def write_recipe(path: Path, best: Mapping[str, str], has_checkpoint: bool) -> None:
    """The best values into the definition, its other lines as they are: the next training takes them from there.

    Raises: DefinitionError, OSError.
    """
    document = json.loads(path.read_text(encoding="utf-8"))
    name = "pretrained" if has_checkpoint and document.get("pretrained") else "hyperparameters"
    lines = path.read_text(encoding="utf-8").splitlines()
    if f'  "{name}": {{' not in lines:
        raise DefinitionError(f"{path} has no {name} on lines of their own")
    start = lines.index(f'  "{name}": {{') + 1
    stop = next(number for number in range(start, len(lines)) if lines[number].startswith("  }"))
    values = {**document[name], **best}
    written = [f"    {json.dumps(key)}: {json.dumps(value)}," for key, value in values.items()]
    lines[start:stop] = [*written[:-1], written[-1].removesuffix(",")]
    write_whole(path, [f"{line}\n" for line in lines])
