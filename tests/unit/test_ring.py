"""Places on the ring, arcs, and which wave a device belongs to."""

from __future__ import annotations

import pytest

from chalicelib.domain.ring import RING, arc_length, lengthened, offset, place_name, place_of, start_of, wave_of


def test_a_device_keeps_its_place() -> None:
    assert place_of("kitchen-1") == place_of("kitchen-1") != place_of("kitchen-2")
    assert 0 <= place_of("kitchen-1") < RING


def test_names_of_places_sort_as_the_places_do() -> None:
    places = sorted(place_of(f"cam-{number}") for number in range(200))
    assert sorted(map(place_name, places)) == [place_name(place) for place in places]


def test_an_arc_may_pass_zero() -> None:
    assert offset(5, RING - 5) == 10
    assert wave_of(5, RING - 5, [11]) == 0
    assert wave_of(6, RING - 5, [11]) is None


@pytest.mark.parametrize(("percent", "length"), [(100, RING), (50, RING // 2), (25, RING // 4)])
def test_an_arc_has_its_share_of_the_ring(percent: float, length: int) -> None:
    assert arc_length(percent) == length


def test_a_device_belongs_to_the_first_wave_that_reaches_it() -> None:
    lengths = [arc_length(percent) for percent in (10, 50, 100)]
    start = start_of("a promotion")
    waves = [wave_of(place_of(f"cam-{number}"), start, lengths) for number in range(2000)]
    assert {wave: round(waves.count(wave) / 2000, 1) for wave in (0, 1, 2)} == {0: 0.1, 1: 0.4, 2: 0.5}


def test_the_last_wave_holds_every_place() -> None:
    assert all(wave_of(place, 7, [RING]) == 0 for place in (0, 6, 7, 8, RING - 1))


def test_an_arc_with_too_few_devices_reaches_as_far_as_it_must() -> None:
    assert lengthened(100, start=0, places=[500, 900, 950], minimum=2) == 901
    assert lengthened(1000, start=0, places=[500, 900], minimum=2) == 1000


def test_where_fewer_devices_are_left_the_arc_is_the_whole_ring() -> None:
    assert lengthened(100, start=0, places=[500], minimum=2) == RING


def test_two_promotions_begin_at_two_places() -> None:
    assert start_of("one") != start_of("two")
