"""The training loop: what the parts of a batch and the head's own rate do to the weights."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

mx = pytest.importorskip("training.mxnet_import", reason="MXNet is not installed here", exc_type=ImportError).mx

from training.fit import Problem, fit  # noqa: E402
from training.layout import TrainingError  # noqa: E402
from training.networks.names import HEAD  # noqa: E402
from training.settings import TrainSettings  # noqa: E402
from training.weights import Checkpoints, Weights  # noqa: E402

PHOTOS = np.random.default_rng(0).normal(0, 1, (8, 3)).astype(np.float32)
TARGETS = PHOTOS @ np.array([[1.0], [-2.0], [0.5]], np.float32)
FIRST = {"below_weight": np.eye(3, dtype=np.float32), f"{HEAD}_weight": np.full((1, 3), 0.1, np.float32)}


def problem(batch_size: int) -> Problem:
    below = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, no_bias=True, name="below")
    scores = mx.sym.FullyConnected(below, num_hidden=1, no_bias=True, name=HEAD)
    loss = mx.sym.MakeLoss(mx.sym.sum(mx.sym.square(scores - mx.sym.Variable("target")), axis=1))

    def batches(epoch: int) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
        for start in range(0, len(PHOTOS), batch_size):
            some = slice(start, start + batch_size)
            yield {"data": PHOTOS[some]}, {"target": TARGETS[some]}

    return Problem(
        loss=loss,
        data_shapes={"data": (batch_size, 3)},
        target_shapes={"target": (batch_size, 1)},
        batches=batches,
        steps_per_epoch=len(PHOTOS) // batch_size,
        score=lambda weights: {"validation_loss": 1.0},
        initial=FIRST,
    )


def fitted(folder: Path, batch_size: int = 8, **changes: Any) -> Weights:
    given = {"optimizer": "sgd", "momentum": 0.0, "learning_rate": 0.1, "weight_decay": 0.0, "keep": "last"}
    settings = TrainSettings(batch_size=batch_size, **{"epochs": 1, **given, **changes})
    return fit(problem(batch_size), settings, Checkpoints(folder, "job")).weights


def test_the_parts_of_a_batch_make_one_step_of_the_whole_batch(tmp_path: Path) -> None:
    """By hand, on all eight photos: the gradient of the mean of the squared errors, at the schedule's first rate."""
    error = PHOTOS @ FIRST[f"{HEAD}_weight"].T - TARGETS
    gradient = 2 * error.T @ PHOTOS / len(PHOTOS)
    assert fitted(tmp_path)[f"{HEAD}_weight"] == pytest.approx(FIRST[f"{HEAD}_weight"] - 0.1 * gradient, abs=1e-5)


def test_a_batch_of_one_is_not_divided(tmp_path: Path) -> None:
    assert np.isfinite(fitted(tmp_path, batch_size=1)["below_weight"]).all()


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_head_learns_at_its_own_rate(tmp_path: Path, optimizer: str) -> None:
    slow, fast = (fitted(tmp_path / str(rate), optimizer=optimizer, head_rate=rate) for rate in (1.0, 3.0))
    steps = [each[f"{HEAD}_weight"] - FIRST[f"{HEAD}_weight"] for each in (slow, fast)]
    assert steps[1] == pytest.approx(3 * steps[0], rel=1e-3)
    assert fast["below_weight"] == pytest.approx(slow["below_weight"])


def test_an_optimizer_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="optimizer 'magic' is not one of sgd, nag and adam"):
        fitted(tmp_path, optimizer="magic")


def test_a_run_that_goes_on_ends_with_the_same_weights(tmp_path: Path) -> None:
    changes = {"optimizer": "adam", "head_rate": 3.0, "average_decay": 0.9, "epochs": 4, "batch_size": 4}
    whole = fitted(tmp_path / "whole", **changes)
    one = problem(4)
    settings = TrainSettings(keep="last", learning_rate=0.1, weight_decay=0.0, **changes)
    seen: list[int] = []

    def killed_in_the_third_epoch(epoch: int) -> Iterator[Any]:
        seen.append(epoch)
        if len(seen) == 3:
            raise KeyboardInterrupt
        yield from one.batches(epoch)

    broken = Problem(**{**vars(one), "batches": killed_in_the_third_epoch})
    with pytest.raises(KeyboardInterrupt):
        fit(broken, settings, Checkpoints(tmp_path / "broken", "job"))
    resumed = fit(broken, settings, Checkpoints(tmp_path / "broken", "job")).weights
    assert seen[-2:] == [2, 3]
    for name, value in whole.items():
        assert np.array_equal(resumed[name], value), name
