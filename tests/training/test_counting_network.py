"""The ordinal loss: honest, and dearer the further off a guess is."""

import numpy as np
import pytest

from training.datasets.rendered_bins import render_bin, write_rendered_bins
from training.mxnet_import import mx
from training.networks.counter import neighbour_targets, ordinal_head

COUNTS = 6


def loss_of(scores: np.ndarray, target: np.ndarray, distance_weight: float = 1.0) -> float:
    """The head's loss for given scores: the features are the scores, the weight is the identity."""
    head = ordinal_head(mx.sym.Variable("data"), COUNTS, distance_weight=distance_weight)
    executor = head.loss.simple_bind(mx.cpu(), grad_req="null", data=(1, COUNTS), target=(1, COUNTS))
    executor.arg_dict["head_weight"][:] = np.eye(COUNTS)
    executor.arg_dict["head_bias"][:] = 0
    executor.forward(data=mx.nd.array(scores[None]), target=mx.nd.array(target[None]))
    return float(executor.outputs[0].asnumpy()[0])


def sure_of(count: int) -> np.ndarray:
    return np.eye(COUNTS)[count] * 8.0


def test_a_guess_pays_for_how_far_off_it_is() -> None:
    three = np.eye(COUNTS)[3]
    losses = [loss_of(sure_of(count), three) for count in (3, 4, 5, 0)]
    assert losses == sorted(losses)
    assert len(set(losses)) == 4


def test_without_the_distance_all_wrong_guesses_cost_the_same() -> None:
    three = np.eye(COUNTS)[3]
    assert loss_of(sure_of(4), three, 0.0) == pytest.approx(loss_of(sure_of(0), three, 0.0), rel=1e-5)


def test_the_loss_of_a_flat_answer_is_entropy_plus_ranked_score() -> None:
    reached = np.arange(1, COUNTS) / COUNTS
    ranked = float(((reached - (np.arange(COUNTS - 1) >= 2)) ** 2).sum())
    assert loss_of(np.zeros(COUNTS), np.eye(COUNTS)[2]) == pytest.approx(np.log(COUNTS) + ranked, rel=1e-5)


def test_honest_probabilities_cost_least() -> None:
    truth = np.array([0.1, 0.2, 0.4, 0.2, 0.05, 0.05])
    honest = np.log(truth)
    shifted = np.log(np.roll(truth, 1))
    flatter = np.log(truth) / 2
    assert loss_of(honest, truth) < min(loss_of(shifted, truth), loss_of(flatter, truth))


def test_the_answer_is_a_distribution_over_the_counts() -> None:
    head = ordinal_head(mx.sym.Variable("data"), COUNTS)
    _, (shape,), _ = head.answer.infer_shape(data=(2, 9))
    assert shape == (2, COUNTS)
    assert head.answer.name == "prob"


def test_neighbours_share_the_target() -> None:
    targets = neighbour_targets(COUNTS, 0.5)
    assert targets.sum(axis=1) == pytest.approx(np.ones(COUNTS))
    assert targets[3].argmax() == 3
    assert targets[3, 2] == pytest.approx(targets[3, 4])
    assert targets[3, 2] > targets[3, 1] > targets[3, 0]
    assert (neighbour_targets(COUNTS, 0) == np.eye(COUNTS)).all()


def test_rendered_bins_are_the_same_for_the_same_seed(tmp_path) -> None:
    assert render_bin(5, 3).tobytes() == render_bin(5, 3).tobytes()
    assert render_bin(5, 3).tobytes() != render_bin(6, 3).tobytes()
    labels = write_rendered_bins(tmp_path, 12)
    lines = labels.read_text().splitlines()
    assert lines[0] == "id,expected_quantity"
    assert lines[1:3] == ["00000,0", "00001,1"]
    assert sorted(path.stem for path in (tmp_path / "images").iterdir()) == [f"{index:05d}" for index in range(12)]
