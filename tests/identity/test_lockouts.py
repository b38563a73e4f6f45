"""Lock-outs: per principal and address prefix, bounded, by monotonic time."""

from __future__ import annotations

import pytest
from support.clock import MovedClock

from gatekeep.identity.lockouts import LockOutBook, address_prefix


def book(clock: MovedClock, *, capacity: int = 100) -> LockOutBook:
    """Three failures in a minute lock for ten."""
    return LockOutBook(clock, limit=3, window_s=60, lock_s=600, capacity=capacity)


def test_the_pair_is_locked_and_nobody_else() -> None:
    """An outsider locks out himself and his neighbours, not the principal everywhere."""
    locks = book(MovedClock())
    told = [locks.failed("alice", "10.1.2.3:5000") for _ in range(3)]
    assert told == [False, False, True]
    assert locks.locked("alice", "10.1.2.3")
    assert locks.locked("alice", "10.1.2.200")
    assert not locks.locked("alice", "10.1.3.3")
    assert not locks.locked("bob", "10.1.2.3")


def test_a_lock_ends_and_begins_anew() -> None:
    """Tries during the lock do not lengthen it; afterwards counting starts at nothing."""
    clock = MovedClock()
    locks = book(clock)
    for _ in range(3):
        locks.failed("alice", "10.1.2.3")
    clock.pass_s(599)
    assert not locks.failed("alice", "10.1.2.3")
    assert locks.locked("alice", "10.1.2.3")
    clock.pass_s(1)
    assert not locks.locked("alice", "10.1.2.3")
    assert not locks.failed("alice", "10.1.2.3")
    assert not locks.locked("alice", "10.1.2.3")


def test_failures_far_apart_do_not_add_up() -> None:
    """The window is over: the count begins again."""
    clock = MovedClock()
    locks = book(clock)
    for _ in range(10):
        assert not locks.failed("alice", "10.1.2.3")
        clock.pass_s(31)
        assert not locks.failed("alice", "10.1.2.3")
        clock.pass_s(31)


def test_success_forgets() -> None:
    """A slip of the fingers before the right token counts for nothing later."""
    locks = book(MovedClock())
    locks.failed("alice", "10.1.2.3")
    locks.failed("alice", "10.1.2.3")
    locks.succeeded("alice", "10.1.2.3")
    assert not locks.failed("alice", "10.1.2.3")
    assert len(locks) == 1


def test_the_wall_clock_ends_no_lock() -> None:
    """Setting the clock forward does not help whoever guesses."""
    clock = MovedClock()
    locks = book(clock)
    for _ in range(3):
        locks.failed("alice", "10.1.2.3")
    clock.step_s(86_400)
    assert locks.locked("alice", "10.1.2.3")


def test_memory_is_bounded() -> None:
    """A flood of names and addresses, however long, keeps `capacity` pairs."""
    locks = book(MovedClock(), capacity=50)
    for number in range(5000):
        locks.failed(f"{'x' * 5000}{number}", f"10.{number % 250}.{number % 199}.1")
        locks.failed(f"name-{number}", "not an address" * 100)
    assert len(locks) == 50
    assert max(len(part) for pair in locks._failures for part in pair) <= 128


@pytest.mark.parametrize(
    ("source", "prefix"),
    [
        ("10.1.2.3", "10.1.2.0/24"),
        ("10.1.2.3:5000", "10.1.2.0/24"),
        ("::ffff:10.1.2.3", "10.1.2.0/24"),
        ("[::ffff:10.1.2.3]:5000", "10.1.2.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::9]:5000", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("/run/gatekeep.sock", "/run/gatekeep.sock"),
        ("", ""),
    ],
)
def test_addresses_count_by_prefix(source: str, prefix: str) -> None:
    """/24 and /64, whatever the form in which the address comes."""
    assert address_prefix(source) == prefix
