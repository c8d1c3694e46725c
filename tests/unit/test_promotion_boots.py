"""Boots and sequences: replays are harmless, the past is refused, a clone is named."""

from __future__ import annotations

import pytest

from chalicelib.domain.boots import Boots
from chalicelib.domain.fleet_errors import ClonedDeviceError, SequenceBackwardsError, StaleBootError

FIRST = Boots().heard("a", None, 1)


def speak(boots: Boots, boot: str, announced: str | None, sequence: int) -> Boots:
    """As the service keeps it: a refused report may still be remembered."""
    try:
        return boots.heard(boot, announced, sequence)
    except (StaleBootError, ClonedDeviceError):
        remembered = boots.spoken_after_its_end(boot, sequence)
        if remembered is None:
            raise
        return remembered


def test_the_first_boot_is_taken_as_it_comes() -> None:
    assert (FIRST.current, FIRST.sequence, FIRST.previous) == ("a", 1, None)


def test_a_sequence_goes_on_and_may_leave_gaps() -> None:
    assert FIRST.heard("a", None, 2).heard("a", None, 7).sequence == 7


def test_a_replay_changes_nothing() -> None:
    assert FIRST.heard("a", None, 1) is FIRST


def test_a_sequence_that_goes_backwards_is_refused() -> None:
    with pytest.raises(SequenceBackwardsError) as refusal:
        FIRST.heard("a", None, 5).heard("a", None, 4)
    assert refusal.value.members["expected"] == 6


def test_a_new_boot_announces_the_one_before() -> None:
    boots = FIRST.heard("b", "a", 1)
    assert (boots.current, boots.previous, boots.previous_sequence) == ("b", "a", 1)


def test_a_boot_whose_answer_was_lost_does_not_lock_the_camera_out() -> None:
    """b was heard, but b's camera died before it knew that: c announces a."""
    assert FIRST.heard("b", "a", 1).heard("c", "a", 1).current == "c"


@pytest.mark.parametrize("announced", [None, "z"])
def test_an_unknown_boot_without_a_known_predecessor_is_stale(announced: str | None) -> None:
    with pytest.raises(StaleBootError):
        FIRST.heard("b", "a", 1).heard("x", announced, 1)


def test_a_report_of_the_boot_before_is_stale_and_nothing_is_remembered_of_a_replay() -> None:
    boots = FIRST.heard("a", None, 4).heard("b", "a", 1)
    with pytest.raises(StaleBootError):
        boots.heard("a", None, 4)
    assert boots.spoken_after_its_end("a", 4) is None


def test_two_boots_that_speak_by_turns_are_two_cameras() -> None:
    boots = FIRST.heard("b", "a", 1)
    boots = speak(boots, "a", None, 2)
    boots = boots.heard("b", "a", 2)
    with pytest.raises(ClonedDeviceError):
        boots.heard("a", None, 3)


def test_late_reports_of_a_boot_that_ended_are_no_clone() -> None:
    boots = FIRST.heard("b", "a", 1)
    boots = speak(boots, "a", None, 2)
    with pytest.raises(StaleBootError):
        boots.heard("a", None, 3)
