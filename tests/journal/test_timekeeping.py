"""Time in leaves: as read, with steps seen and monotonic numbers that stay small."""

from __future__ import annotations

from support.live_journal import HandClock

from gatekeep.journal.timekeeping import Timekeeper


def test_time_is_as_read() -> None:
    """Wall time may go back; monotonic time counts from the boot id."""
    clock = HandClock()
    keeper = Timekeeper(clock)
    assert keeper.read() == (clock.wall, 0)
    clock.monotonic += 1_000_000
    clock.wall += 1000
    assert keeper.read() == (clock.wall, 1_000_000)


def test_only_a_step_over_two_seconds_counts() -> None:
    """Drift and small corrections pass; a jump in either direction is kept until it is noted."""
    clock = HandClock()
    keeper = Timekeeper(clock)
    for _ in range(100):
        clock.wall += 1_000_500
        clock.monotonic += 1_000_000_000
        keeper.read()
    assert keeper.step_us == 0
    clock.wall -= 2_000_001
    keeper.read()
    keeper.read()
    assert keeper.step_us == -2_000_001


def test_the_boot_id_is_renewed_before_numbers_grow_too_large() -> None:
    """JSON integers end at 2^53; after 52 days a new boot id counts from zero again."""
    clock = HandClock()
    keeper = Timekeeper(clock)
    first = keeper.boot
    keeper.renew_boot()
    assert keeper.boot == first
    clock.monotonic += 2**52 + 1
    clock.wall += (2**52 + 1) // 1000
    keeper.renew_boot()
    assert keeper.boot != first
    assert keeper.read()[1] == 0
