"""When all that was typed counts as shown: round trips, quiet, caps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gatekeep.protocols.ssh.shells.echo import Echo


def test_quiet_follows_round_trips() -> None:
    """At least the given one; more where trips are long or differ; never beyond the cap."""
    echo = Echo(60, 2_000)
    assert echo.quiet == 60
    now = 0
    for trip in [120] * 40:
        echo.forwarded(1, now)
        echo.output(1, now + trip)
        now += 500
    assert 120 <= echo.quiet < 140
    for trip in [120, 400] * 10:
        echo.forwarded(1, now)
        echo.output(1, now + trip)
        now += 1_000
    assert 400 < echo.quiet <= 2_000


def test_what_is_no_echo_is_no_sample() -> None:
    """Neither programs nor answers after seconds lengthen the waits."""
    echo = Echo(60, 2_000)
    echo.forwarded(1, 0, edited=False)
    echo.output(1, 900)
    echo.forwarded(1, 1_000)
    echo.output(1, 5_000)
    assert echo.quiet == 60


def test_unechoed_characters_are_waited_for() -> None:
    """Up to the cap; a key that paints nothing for a shorter time."""
    echo = Echo(60, 2_000)
    echo.forwarded(2, 0)
    assert echo.settled_at(10) == 2_010
    echo.output(1, 5)
    assert (echo.unechoed, echo.settled_at(10)) == (1, 2_010)
    echo.output(1, 6)
    assert echo.settled_at(10) == 66
    assert echo.settled_at(500) == 500
    echo.forwarded(0, 1_000)
    assert echo.settled_at(1_000) == 1_250


@given(st.lists(st.tuples(st.integers(-5, 50), st.integers(0, 50), st.integers(0, 3_000)), max_size=30))
def test_waits_are_bounded(steps: list[tuple[int, int, int]]) -> None:
    """Whatever happens, a line settles within the cap, and counts stay sane."""
    echo, now = Echo(60, 2_000), 0
    for typed, painted, span in steps:
        echo.forwarded(typed, now)
        now += span
        echo.output(painted, now)
        assert echo.unechoed >= 0
        assert now <= echo.settled_at(now) <= now + 2_000
        assert now <= echo.quiet_at(now) <= now + 2_000
