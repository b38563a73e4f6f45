"""Cancel keys: what hits, what does not, and that nobody can try for long."""

from __future__ import annotations

import os

from support.door import HandClock

from gatekeep.protocols.postgres.cancel import CancelKey
from gatekeep.proxies.postgres.keys import CancelKeys


class Sessions:
    """Counts what is cancelled."""

    def __init__(self) -> None:
        self.cancelled = 0

    async def cancel(self) -> None:
        """One more."""
        self.cancelled += 1


async def test_a_key_cancels_its_session_until_withdrawn() -> None:
    """And each hit is told, with its source."""
    hits: list[str] = []
    keys = CancelKeys(HandClock(), os.urandom, on_hit=hits.append)
    one, other = Sessions(), Sessions()
    key = keys.issue(one.cancel)
    keys.issue(other.cancel)
    assert await keys.request(key, "192.0.2.1")
    keys.withdraw(key)
    assert not await keys.request(key, "192.0.2.1")
    assert (one.cancelled, other.cancelled, hits) == (1, 0, ["192.0.2.1"])


async def test_all_64_bits_count() -> None:
    """Number and secret are both ours: with one bit changed nothing hits."""
    session = Sessions()
    keys = CancelKeys(HandClock(), os.urandom)
    key = keys.issue(session.cancel)
    assert len(key.secret) == 4
    for wrong in (
        CancelKey(key.pid ^ 1, key.secret),
        CancelKey(key.pid, bytes([key.secret[0] ^ 1, *key.secret[1:]])),
        CancelKey(key.pid, key.secret + b"\0"),
    ):
        assert not await keys.request(wrong, "192.0.2.1")
    assert session.cancelled == 0


async def test_a_long_key_has_256_bits_of_secret() -> None:
    """For clients of protocol 3.2; every bit of it counts, and its first 4 bytes open nothing."""
    session = Sessions()
    keys = CancelKeys(HandClock(), os.urandom)
    key = keys.issue(session.cancel, long=True)
    assert len(key.secret) == 32
    for wrong in (
        CancelKey(key.pid, key.secret[:4]),
        CancelKey(key.pid, key.secret[:-1] + bytes([key.secret[-1] ^ 1])),
        CancelKey(key.pid ^ 1, key.secret),
    ):
        assert not await keys.request(wrong, "192.0.2.1")
    assert await keys.request(key, "192.0.2.1")
    keys.withdraw(key)
    assert (session.cancelled, len(keys)) == (1, 0)


def test_no_key_is_given_twice_and_none_has_the_number_zero() -> None:
    """Whatever the generator draws: libpq takes number 0 for none."""

    async def cancel() -> None:
        return

    drawn = iter([b"\0\0\0\0abcd", b"12345678", b"12345678", b"12345679"])
    keys = CancelKeys(HandClock(), lambda _count: next(drawn))
    first, second = keys.issue(cancel), keys.issue(cancel)
    assert first != second
    assert first.pid != 0


async def test_one_source_may_not_try_for_ever() -> None:
    """Above the cap even the right key meets nothing, until 10 s have passed; others go on."""
    clock, session = HandClock(), Sessions()
    keys = CancelKeys(clock, os.urandom, per_source=3)
    key = keys.issue(session.cancel)
    for _ in range(3):
        await keys.request(CancelKey(1, b"nope"), "192.0.2.1")
    assert not await keys.request(key, "192.0.2.1")
    assert await keys.request(key, "198.51.100.1")
    clock.now_ns += 10 * 10**9
    assert await keys.request(key, "192.0.2.1")


async def test_many_sources_take_bounded_memory() -> None:
    """The oldest are forgotten."""
    keys = CancelKeys(HandClock(), os.urandom)
    for number in range(5000):
        await keys.request(CancelKey(1, b"nope"), f"source {number}")
    assert len(keys._spent) == 4096
