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
