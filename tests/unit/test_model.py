"""Which moves a model's state allows."""

from __future__ import annotations

import pytest

from chalicelib.domain.errors import IllegalTransitionError
from chalicelib.domain.inference import Task
from chalicelib.domain.model import LEGAL_MOVES, Model, ModelState, artifact_name, model_id

ALL_MOVES = [(one, other) for one in ModelState for other in ModelState]


def model(state: ModelState, digest: str | None = "d" * 64) -> Model:
    return Model("waste-1", "waste", 1, Task.CLASSIFY, state, 1000.0, digest=digest)


@pytest.mark.parametrize(("state", "wanted"), ALL_MOVES, ids=lambda state: state.value)
def test_a_move_is_made_or_refused_with_the_legal_ones(state: ModelState, wanted: ModelState) -> None:
    if wanted in LEGAL_MOVES[state]:
        moved = model(state).moved_to(wanted, "because")
        assert (moved.state, moved.reason) == (wanted, "because")
        return
    with pytest.raises(IllegalTransitionError) as refusal:
        model(state).moved_to(wanted)
    assert refusal.value.members["legal"] == sorted(legal.value for legal in LEGAL_MOVES[state])
    assert refusal.value.members["state"] == state.value


def test_every_state_can_end() -> None:
    reached = {ModelState.TRAINING}
    while more := {move for state in reached for move in LEGAL_MOVES[state]} - reached:
        reached |= more
    assert reached == set(ModelState)
    assert [state for state in ModelState if not LEGAL_MOVES[state]] == [ModelState.RETIRED]


def test_nothing_is_promoted_that_was_not_approved_after_its_evaluation() -> None:
    before = {state for state in ModelState if ModelState.APPROVED in LEGAL_MOVES[state]}
    assert before == {ModelState.READY, ModelState.REJECTED}


def test_a_model_without_an_artifact_is_not_served() -> None:
    with pytest.raises(IllegalTransitionError, match="no artifact"):
        model(ModelState.TRAINING, digest=None).served_at("endpoint")


def test_what_is_served_carries_all_that_a_prediction_needs() -> None:
    served = model(ModelState.APPROVED).served_at("endpoint-1")
    assert served.identity() == {"id": "waste-1", "version": 1, "digest": "d" * 64, "task": "classify"}
    assert type(served).from_body(served.to_body()) == served


def test_names_hold_the_version_and_the_digest() -> None:
    assert model_id("waste", 12) == "waste-12"
    assert artifact_name("abc") == "artifacts/abc.tar.gz"
