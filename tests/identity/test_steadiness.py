"""A stepped clock lengthens no right and shortens no bar."""

from __future__ import annotations

import pytest
from support.clock import MovedClock

from gatekeep.identity.steadiness import SteadyTime


@pytest.mark.parametrize("step_s", [-31_536_000, -3600, 0, 3600, 31_536_000])
def test_the_later_ends_and_the_earlier_waits(step_s: int) -> None:
    """Whichever way it was set: what ends is over no later, what has to pass is over no earlier."""
    clock = MovedClock()
    steady, begin = SteadyTime(clock), clock.wall
    clock.pass_s(60)
    clock.step_s(step_s)
    truth = begin + 60_000_000
    assert steady.least_us() <= truth <= steady.now_us()
    assert truth in {steady.least_us(), steady.now_us()}


def test_what_is_given_while_a_clock_is_wrong_ends_in_its_time() -> None:
    """Set forward by an hour and back again: the time by which rights end goes on, and never back."""
    clock = MovedClock()
    steady = SteadyTime(clock)
    clock.step_s(3600)
    given = steady.onward_us()
    assert (given, steady.set_back_us()) == (clock.wall, 0)
    clock.step_s(-3600)
    assert (steady.onward_us(), steady.set_back_us()) == (given, 3_600_000_000)
    clock.pass_s(60)
    assert steady.onward_us() == given + 60_000_000
    clock.step_s(-3600)
    assert (steady.onward_us(), steady.set_back_us()) == (given + 60_000_000, 7_200_000_000)
    clock.step_s(4 * 3600)
    assert (steady.onward_us(), steady.set_back_us()) == (clock.wall, 0)
