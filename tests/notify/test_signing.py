"""Signed bodies: forged, altered, late and repeated ones do not count."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clock import MovedClock

from gatekeep.notify.signing import (
    DELIVERY,
    SIGNATURE,
    SKEW_S,
    TIMESTAMP,
    SignatureCheck,
    signature,
    signed_headers,
)

SECRET = "a key of more than twenty-four characters"  # noqa: S105 - a test
BODY = b'{"request":"K3F9"}'


def check() -> tuple[SignatureCheck, MovedClock]:
    """One, and its clock."""
    clock = MovedClock()
    return SignatureCheck(clock.wall_us), clock


def test_the_signature_is_what_the_page_says() -> None:
    """HMAC-SHA256 over `timestamp.body`, so that anybody can write the other side."""
    headers = signed_headers(SECRET, 1_700_000_000_123_456, BODY, "d1")
    expected = hmac.new(SECRET.encode(), b"1700000000." + BODY, hashlib.sha256).hexdigest()
    assert headers == {
        TIMESTAMP: "1700000000", SIGNATURE: f"v1={expected}", DELIVERY: "d1",
    }  # fmt: skip


def test_a_signed_body_counts_once() -> None:
    """The same bytes again are a repeat; signed anew at another second they count."""
    seen, clock = check()
    headers = signed_headers(SECRET, clock.wall, BODY)
    assert not seen.objection(headers, BODY, SECRET)
    assert seen.objection(headers, BODY, SECRET) == "seen"
    clock.pass_s(1)
    assert not seen.objection(signed_headers(SECRET, clock.wall, BODY), BODY, SECRET)


@pytest.mark.parametrize("off_s", [-SKEW_S - 1, SKEW_S + 1, -86_400, 86_400])
def test_what_is_not_of_these_minutes_is_late(off_s: int) -> None:
    """Either way."""
    seen, clock = check()
    headers = signed_headers(SECRET, clock.wall + off_s * 1_000_000, BODY)
    assert seen.objection(headers, BODY, SECRET) == "late"


@pytest.mark.parametrize("off_s", [-SKEW_S, -1, 0, 1, SKEW_S])
def test_clocks_may_differ_by_five_minutes(off_s: int) -> None:
    """To the second."""
    seen, clock = check()
    headers = signed_headers(SECRET, clock.wall + off_s * 1_000_000, BODY)
    assert not seen.objection(headers, BODY, SECRET)


def test_a_repeat_is_known_as_long_as_it_would_not_be_late() -> None:
    """No second lies between being known and being late."""
    seen, clock = check()
    headers = signed_headers(SECRET, clock.wall + SKEW_S * 1_000_000, BODY)
    assert not seen.objection(headers, BODY, SECRET)
    for _ in range(2 * SKEW_S):
        clock.pass_s(1)
        assert seen.objection(headers, BODY, SECRET) == "seen"
    clock.pass_s(1)
    assert seen.objection(headers, BODY, SECRET) == "late"
    assert len(seen._seen) == 1
    assert not seen.objection(signed_headers(SECRET, clock.wall, BODY), BODY, SECRET)
    assert len(seen._seen) == 1


@pytest.mark.parametrize(
    "timestamp", ["", "now", "1.7e9", "+1700000000", " 1700000000", "1" * 13, "\uff11700000000", "-5"]
)
def test_a_timestamp_is_digits(timestamp: str) -> None:
    """Whatever its signature says."""
    seen, _clock = check()
    headers = {TIMESTAMP: timestamp, SIGNATURE: signature(SECRET, timestamp, BODY)}
    assert seen.objection(headers, BODY, SECRET) == "signature"


@given(
    given_signature=st.one_of(
        st.text(max_size=80),
        st.sampled_from(["v1=", "v1=" + "0" * 64, "v0=" + "0" * 64, "v1=ü"]),
    )
)
def test_nothing_else_is_a_signature(given_signature: str) -> None:
    """Neither text nor another version, and nothing raises."""
    seen, clock = check()
    timestamp = str(clock.wall // 1_000_000)
    headers = {TIMESTAMP: timestamp, SIGNATURE: given_signature}
    assert seen.objection(headers, BODY, SECRET) == "signature"


@given(at=st.integers(0, len(BODY) - 1), bit=st.integers(0, 7))
def test_one_bit_of_the_body_matters(at: int, bit: int) -> None:
    """Altered on the way, it does not count; nor does it use the signature up."""
    seen, clock = check()
    headers = signed_headers(SECRET, clock.wall, BODY)
    altered = bytearray(BODY)
    altered[at] ^= 1 << bit
    assert seen.objection(headers, bytes(altered), SECRET) == "signature"
    assert seen.objection(headers, BODY, SECRET[:-1]) == "signature"
    assert not seen.objection(headers, BODY, SECRET)


def test_a_timestamp_cannot_be_moved_into_the_body() -> None:
    """The dot is no digit, so there is one way to read what was signed."""
    seen, clock = check()
    timestamp = str(clock.wall // 1_000_000)
    moved = {TIMESTAMP: timestamp, SIGNATURE: signature(SECRET, timestamp + ".1", BODY)}
    assert seen.objection(moved, BODY, SECRET) == "signature"


def test_a_flood_of_signed_bodies_is_refused_and_not_forgotten() -> None:
    """Where repeats could not be told any more, nothing is taken; a stranger cannot cause that."""
    clock = MovedClock()
    seen = SignatureCheck(clock.wall_us, most_seen=3)
    bodies = [b"%d" % number for number in range(4)]
    for body in bodies[:3]:
        assert not seen.objection(signed_headers(SECRET, clock.wall, body), body, SECRET)
    for body in bodies:
        assert seen.objection(signed_headers("x" * 30, clock.wall, body), body, SECRET)
    last = signed_headers(SECRET, clock.wall, bodies[3])
    assert seen.objection(last, bodies[3], SECRET) == "full"
    assert seen.objection(signed_headers(SECRET, clock.wall, b"0"), b"0", SECRET) == "seen"
    clock.pass_s(SKEW_S + 1)
    later = signed_headers(SECRET, clock.wall, bodies[3])
    assert not seen.objection(later, bodies[3], SECRET)
