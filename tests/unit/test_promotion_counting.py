"""Gates and abort rules, by count."""

from __future__ import annotations

import pytest

from chalicelib.domain.counting import AbortRules, Counts, Gate, Limit, broken_rule, is_open


def counts(wave: int = 0, **amounts: int) -> Counts:
    return Counts({wave: amounts})


def test_shards_are_summed_by_wave() -> None:
    summed = Counts.summed([{"seen.0": 3, "verified.0": 2}, {"seen.0": 1, "seen.1": 5}])
    assert (summed.of("seen"), summed.of("seen", 0), summed.of("seen", 1), summed.of("verified")) == (9, 4, 5, 2)
    assert summed.undecided(0) == 2


@pytest.mark.parametrize(
    ("amounts", "opens"),
    [
        ({}, False),
        ({"seen": 10, "verified": 9}, True),
        ({"seen": 10, "verified": 8}, False),
        ({"seen": 10, "verified": 8, "failed": 2}, False),
        ({"seen": 100, "verified": 90, "failed": 10}, True),
        ({"seen": 2, "verified": 2}, False),
    ],
)
def test_a_gate_opens_when_enough_of_those_seen_are_verified(amounts: dict[str, int], opens: bool) -> None:
    assert is_open(Gate(share=0.9, minimum=3), 3, counts(**amounts), 0) is opens


def test_a_gate_looks_at_its_own_wave_only() -> None:
    both = Counts({0: {"seen": 100, "verified": 100}, 1: {"seen": 2}})
    assert is_open(Gate(), 1, both, 0)
    assert not is_open(Gate(), 1, both, 1)


def test_a_wave_in_which_nobody_is_left_does_not_hold_the_others_up() -> None:
    assert is_open(Gate(), 0, counts(), 0)


@pytest.mark.parametrize(("bad", "broken"), [(2, False), (3, False), (5, False), (6, True)])
def test_a_rule_is_broken_by_number_and_by_share(bad: int, broken: bool) -> None:
    rules = AbortRules(failed=Limit(0.05, 3))
    assert (broken_rule(rules, counts(seen=100, failed=bad), 1000) is not None) is broken


def test_the_minimum_that_was_asked_for_holds_in_a_small_fleet_too() -> None:
    limit = Limit(0.2, 3)
    assert (limit.needed(3), limit.needed(10), limit.needed(1000)) == (1, 2, 3)
    assert Limit(0.2, 3, is_exact=True).needed(3) == 3


def test_every_bad_end_has_its_own_rule() -> None:
    for name in ("failed", "timed_out", "unverified", "worse"):
        sentence = broken_rule(AbortRules(), counts(seen=10, **{name: 9}), 10)
        assert sentence is not None
        assert name.replace("_", " ") in sentence
