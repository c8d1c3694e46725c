"""The training loop, whatever the task: batches in, weights out; resumable, and the same again for the same seed."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.layout import TrainingError
from training.mxnet_import import contexts, mx
from training.networks.names import HEAD
from training.progress import Progress, report_metrics
from training.settings import TrainSettings
from training.weights import Checkpoints, MovingAverage, Snapshot, Weights, to_numpy

Array = NDArray[np.float32]
Shape = tuple[int, ...]
AVERAGE_EVERY_STEPS = 4


@dataclass(frozen=True)
class Problem:
    """What a task hands to the loop.

    `loss` is a symbol of one loss a sample. `batches(epoch)` yields (inputs, targets) by variable name, all of one
    size, drawn from a generator seeded with the epoch. `score(weights)` measures on the validation photos and has a
    `validation_loss`, by which the best epoch is kept.
    """

    loss: Any
    data_shapes: Mapping[str, Shape]
    target_shapes: Mapping[str, Shape]
    batches: Callable[[int], Iterator[tuple[Mapping[str, Array], Mapping[str, Array]]]]
    steps_per_epoch: int
    score: Callable[[Weights], Mapping[str, float]]
    initial: Weights
    fixed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fitted:
    weights: Weights
    history: tuple[Mapping[str, float], ...]
    seconds: float


def fit(problem: Problem, settings: TrainSettings, checkpoints: Checkpoints) -> Fitted:
    """Raises: TrainingError, for an unknown optimizer, a loss that is no number, or a checkpoint of another job."""
    begun_s = time.monotonic()
    run = _Run(problem, settings, checkpoints)
    run.begin()
    while run.wants_another_epoch(time.monotonic() - begun_s):
        run.epoch()
    weights = run.best if settings.keep == "best" else run.averaged()
    return Fitted(weights, tuple(run.history), time.monotonic() - begun_s)


class _Run:
    def __init__(self, problem: Problem, settings: TrainSettings, checkpoints: Checkpoints) -> None:
        self.problem, self.settings, self.checkpoints = problem, settings, checkpoints
        self.history: list[Mapping[str, float]] = []
        self.best: Weights = {}
        self.average = MovingAverage(settings.average_decay)
        self.batch_size = min(shape[0] for shape in problem.data_shapes.values())
        self.module = self._bound_module()
        self.updates = mx.kv.create("local")  # holds the weights and the optimizer for the parts of a batch together
        total = settings.epochs * problem.steps_per_epoch * settings.batch_size
        self.progress = Progress("training", total)

    def _bound_module(self) -> Any:
        problem, settings = self.problem, self.settings
        mx.random.seed(settings.seed)
        np.random.seed(settings.seed)  # MXNet's initializers draw from numpy's global generator
        module = mx.mod.Module(
            problem.loss,
            data_names=list(problem.data_shapes),
            label_names=list(problem.target_shapes),
            context=contexts(self.batch_size),
            fixed_param_names=list(problem.fixed),
        )
        module.bind(list(problem.data_shapes.items()), list(problem.target_shapes.items()))
        module.init_params(mx.init.Xavier(rnd_type="gaussian", factor_type="in", magnitude=2))
        return module

    def _optimizer(self) -> Any:
        settings = self.settings
        parameters = {
            "learning_rate": settings.learning_rate,
            "wd": settings.weight_decay,
            "rescale_grad": 1 / self.batch_size,
            "lr_scheduler": CosineSchedule(settings.learning_rate, settings.epochs * self.problem.steps_per_epoch),
            "param_idx2name": dict(enumerate(self.module.get_params()[0])),
        }
        if settings.optimizer != "adam":
            parameters["momentum"] = settings.momentum
        try:
            optimizer = mx.optimizer.create(settings.optimizer, **parameters)
        except (ValueError, TypeError) as error:
            raise TrainingError(f"optimizer {settings.optimizer!r} is not one of sgd, nag and adam: {error}") from error
        optimizer.set_lr_mult({f"{HEAD}_weight": settings.head_rate, f"{HEAD}_bias": settings.head_rate})
        return optimizer

    def _set_weights(self, weights: Mapping[str, Array]) -> None:
        arguments, auxiliary = self.module.get_params()
        new_arguments = {name: mx.nd.array(weights.get(name, value.asnumpy())) for name, value in arguments.items()}
        new_auxiliary = {name: mx.nd.array(weights.get(name, value.asnumpy())) for name, value in auxiliary.items()}
        self.module.set_params(new_arguments, new_auxiliary)

    def begin(self) -> None:
        """From the newest checkpoint, or from the first weights. The optimizer takes the weights that it finds."""
        snapshot = self.checkpoints.newest()
        self._set_weights(snapshot.current if snapshot else self.problem.initial)
        self.module.init_optimizer(self.updates, self._optimizer())
        if snapshot is None:
            return
        self.updates._updater.set_states(snapshot.optimizer_state)  # KVStore itself offers files only
        self.average = MovingAverage(self.settings.average_decay, snapshot.average_steps, snapshot.average)
        self.best, self.history = snapshot.best, list(snapshot.history)
        self.progress.skip(snapshot.epochs_done * self.problem.steps_per_epoch * self.settings.batch_size)
        print(f"resumed after epoch {snapshot.epochs_done} of {self.settings.epochs}", flush=True)

    def wants_another_epoch(self, seconds: float) -> bool:
        settings, done = self.settings, len(self.history)
        if done >= settings.epochs:
            return False
        if settings.max_seconds and seconds >= settings.max_seconds:
            print(f"stopped after epoch {done}: {settings.max_seconds:.0f} s are over", flush=True)
            return False
        if settings.patience and done - 1 - self._best_epoch() >= settings.patience:
            print(f"stopped after epoch {done}: no better since epoch {self._best_epoch() + 1}", flush=True)
            return False
        return True

    def _best_epoch(self) -> int:
        losses = [values["validation_loss"] for values in self.history]
        return losses.index(min(losses)) if losses else -1

    def epoch(self) -> None:
        number = len(self.history)
        losses = []
        for step, (data, targets) in enumerate(prefetched(self.problem.batches(number))):
            losses.append(self._step(data, targets))
            if self.settings.average_decay and step % AVERAGE_EVERY_STEPS == 0:
                self.average.update(to_numpy(*self.module.get_params()))
            self.progress.advance(self.settings.batch_size, f"loss {losses[-1]:.3f}")
        self._finish_epoch(number, float(np.mean(losses)))

    def _step(self, data: Mapping[str, Array], targets: Mapping[str, Array]) -> float:
        batch = mx.io.DataBatch(
            [mx.nd.array(data[name]) for name in self.problem.data_shapes],
            [mx.nd.array(targets[name]) for name in self.problem.target_shapes],
        )
        self.module.forward_backward(batch)
        self.module.update()
        loss = float(self.module.get_outputs()[0].asnumpy().mean())
        if not math.isfinite(loss):
            raise TrainingError("the loss is no longer a number: lower learning_rate")
        return loss

    def _finish_epoch(self, number: int, train_loss: float) -> None:
        # Each part of a batch moves its own statistics; all go on from their mean, as after resuming.
        self._set_weights(to_numpy(*self.module.get_params()))
        weights = self.averaged()
        values = {"epoch": number + 1.0, "train_loss": train_loss, **self.problem.score(weights)}
        report_metrics(values)
        self.history.append(values)
        if self._best_epoch() == number:
            self.best = weights
        self.checkpoints.save(self._snapshot())

    def averaged(self) -> Weights:
        if self.settings.average_decay:
            return {name: value.copy() for name, value in self.average.average.items()}
        return to_numpy(*self.module.get_params())

    def _snapshot(self) -> Snapshot:
        return Snapshot(
            len(self.history),
            to_numpy(*self.module.get_params()),
            self.average.average,
            self.average.steps,
            self.best,
            tuple(self.history),
            self.updates._updater.get_states(dump_optimizer=True),  # with its count of updates
        )


class CosineSchedule:
    """Warm-up, then half a cosine down to a hundredth. MXNet asks it with the number of updates done."""

    def __init__(self, base: float, total_steps: int, warmup_share: float = 0.03) -> None:
        self.base_lr = base
        self.total_steps, self.warmup_steps = total_steps, max(1, round(total_steps * warmup_share))

    def __call__(self, step: int) -> float:
        if step < self.warmup_steps:
            return self.base_lr * (step + 1) / self.warmup_steps
        done = min(1.0, (step - self.warmup_steps) / max(1, self.total_steps - self.warmup_steps))
        return self.base_lr * (0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2)


def prefetched(batches: Iterator[Any], depth: int = 3) -> Iterator[Any]:
    """The same batches in the same order, made by a thread of their own while the network computes."""
    with ThreadPoolExecutor(1) as pool:
        waiting = [pool.submit(next, batches, None) for _ in range(depth)]
        while (batch := waiting.pop(0).result()) is not None:
            waiting.append(pool.submit(next, batches, None))
            yield batch
