"""Tuning on this machine: the ranges of a job definition, searched by Optuna, each trial our own training program.

    python -m training.tune --job training/jobs/bins.json --data bins/ --pretrained weights/mobilenet_v1 [--write]

Data is split once. A study is kept in <out>/study.db, so that a tuning that was stopped goes on where it was; trials
that fall behind are ended early. The best values are written to <out>/tuned.json; with --write into the definition.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna

from training.datasets.built_in import write_whole
from training.datasets.photo_set import DatasetError
from training.definition import Definition, DefinitionError, Range, Tuning, load
from training.prepare import checkpoint_files
from training.settings import TrainSettings
from training.tasks import TASKS
from training.trial import TrialFailedError, Trials, write_recipe

STARTUP_TRIALS, WARMUP_EPOCHS = 5, 3


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        definition = load(options.job)
        options.out = options.out or Path("build") / definition.name / "tuning"
        tune(definition, options)
    except (DefinitionError, DatasetError, TrialFailedError, OSError) as error:
        print(f"not tuned: {error}", file=sys.stderr)
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    known = argparse.ArgumentParser(prog="python -m training.tune", description=__doc__.partition("\n")[0])
    known.add_argument("--job", type=Path, required=True, help="a definition of training/jobs")
    known.add_argument("--data", type=Path, required=True, help="labelled photos in any form that is imported")
    known.add_argument("--pretrained", type=Path, help="prefix of an MXNet checkpoint to begin from")
    known.add_argument("--out", type=Path, help="default: build/<name of the job>/tuning")
    known.add_argument("--trials", type=int, help="default: the definition's max_jobs")
    known.add_argument("--seconds", type=int, help="the most that the epochs of one trial may take")
    known.add_argument("--seed", type=int, default=0)
    known.add_argument("--training-python", type=Path, default=Path(".venv-train/bin/python"))
    known.add_argument("--write", action="store_true", help="write the best values into the definition")
    return known


def tune(definition: Definition, options: argparse.Namespace) -> Mapping[str, str]:
    """Raises: DefinitionError, DatasetError, TrialFailedError."""
    if definition.tuning is None or not definition.is_ours:
        raise DefinitionError(f"{options.job} tunes nothing here: ranges are searched for jobs of our own container")
    options.out = options.out.resolve()
    options.out.mkdir(parents=True, exist_ok=True)
    trials = prepared(definition, definition.tuning, options)
    study = opened(definition.tuning, options)
    if not study.trials:
        study.enqueue_trial(own_values(definition, trials.fixed), skip_if_exists=True)
    wanted = (options.trials or definition.tuning.max_jobs) - sum(trial.state.is_finished() for trial in study.trials)
    study.optimize(lambda trial: _value(trial, trials), n_trials=max(0, wanted), catch=(TrialFailedError,))
    return _told(study, definition.tuning, options)


def prepared(definition: Definition, tuning: Tuning, options: argparse.Namespace) -> Trials:
    """Splits the data anew: the same photos are split in the same way."""
    data, rendered = options.out / "data", options.out / "rendered"
    shutil.rmtree(data, ignore_errors=True)
    split = TASKS[definition.task].prepare(options.data, rendered, data, options.seed)
    print("\n".join(split.report), flush=True)
    fixed = {**definition.recipe(options.pretrained is not None), "seed": str(options.seed)}
    if options.pretrained:
        (data / "pretrained").mkdir()
        for path in checkpoint_files(options.pretrained):
            (data / "pretrained" / path.name).symlink_to(path.resolve())
        fixed["pretrained"] = options.pretrained.name
    if options.seconds:
        fixed["max_seconds"] = str(options.seconds)
    return Trials(definition, tuning, data, options.out, options.training_python, fixed)


def opened(tuning: Tuning, options: argparse.Namespace) -> Any:
    """A study that goes on draws anew: with the first seed again it would repeat the trials it has."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        study_name=tuning.objective,
        storage=f"sqlite:///{(options.out / 'study.db').resolve()}",
        load_if_exists=True,
        direction="minimize" if tuning.is_minimized else "maximize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS, n_warmup_steps=WARMUP_EPOCHS),
    )
    seed = options.seed + len(study.trials)
    study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP_TRIALS)
    return study


def own_values(definition: Definition, fixed: Mapping[str, str]) -> dict[str, Any]:
    """What there was before, for the first trial: the definition's values, else the training program's own.

    Those outside of their range are left out.
    """
    ranges = definition.tuning.ranges if definition.tuning else {}
    found = {name: _own_value(name, each, fixed, definition.task) for name, each in ranges.items()}
    return {name: value for name, value in found.items() if value is not None and ranges[name].holds(value)}


def _own_value(name: str, range_: Range, fixed: Mapping[str, str], task: str) -> str | float | None:
    def read(text: str | None) -> Any:
        given = {} if text is None else {name: text}
        return getattr(TrainSettings.from_hyperparameters({"task": task, **given}), name)

    own = read(fixed.get(name))
    if range_.kind == "categorical":
        return next((value for value in range_.values if read(value) == own), None)
    return int(own) if range_.kind == "integer" else float(own)


def _value(trial: Any, trials: Trials) -> float:
    chosen = {name: str(suggested(trial, name, each)) for name, each in trials.tuning.ranges.items()}
    was_pruned = False

    def keep_on(epoch: int, value: float) -> bool:
        nonlocal was_pruned
        trial.report(value, epoch)
        was_pruned = trial.should_prune()
        return not was_pruned

    value = trials.run(trial.number, chosen, keep_on)
    words = " ".join(f"{name}={text}" for name, text in chosen.items())
    print(f"trial {trial.number}: {value:.4f}{' (ended early)' if was_pruned else ''} {words}", flush=True)
    if was_pruned:
        raise optuna.TrialPruned
    return value


def suggested(trial: Any, name: str, range_: Range) -> Any:
    if range_.kind == "categorical":
        return trial.suggest_categorical(name, list(range_.values))
    if range_.kind == "integer":
        return trial.suggest_int(name, int(range_.low), int(range_.high))
    return float(f"{trial.suggest_float(name, range_.low, range_.high, log=range_.is_logarithmic):.4g}")


def _told(study: Any, tuning: Tuning, options: argparse.Namespace) -> dict[str, str]:
    """Raises: TrialFailedError, when no trial came to its end."""
    done = [trial for trial in study.trials if trial.state is optuna.trial.TrialState.COMPLETE]
    if not done:
        raise TrialFailedError(f"no trial came to its end; see {options.out}/trial-*/log.txt")
    best = {
        name: f"{value:.4g}" if isinstance(value, float) else str(value) for name, value in study.best_params.items()
    }
    tried = [
        {"number": each.number, "state": each.state.name, "value": each.value, **each.params} for each in study.trials
    ]
    document = {"objective": tuning.objective, "value": study.best_value, "hyperparameters": best, "trials": tried}
    write_whole(options.out / "tuned.json", [json.dumps(document, indent=2), "\n"])
    print(
        f"{tuning.objective} {study.best_value:.4f}: " + " ".join(f"--set {name}={text}" for name, text in best.items())
    )
    if options.write:
        write_recipe(options.job, best, options.pretrained is not None)
        print(f"{options.job} has these values now")
    return best


if __name__ == "__main__":
    sys.exit(main())
