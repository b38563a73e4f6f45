"""A call over HTTP is believed if Slack signed these very bytes just now, and once."""

from __future__ import annotations

import pytest
from support.slack_calls import Signing

from gatekeep.notify.slack_signature import SIGNATURE, TIMESTAMP, SignatureCheck, signed

NOW_S = 1_763_000_000
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"  # noqa: S105 - of nobody
BODY = b"payload=%7B%7D"


def check(now_s: float = NOW_S) -> SignatureCheck:
    """A check at this time."""
    return SignatureCheck(lambda: SECRET, lambda: int(now_s * 1_000_000))


def test_the_published_example_verifies() -> None:
    """The recipe is Slack's own, to the byte."""
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id="
        b"G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-"
        b"collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F3977008"
        b"85554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447"
        b"fce8b6703c"
    )
    assert signed(SECRET, "1531420618", body) == (
        b"v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    )


def test_a_call_is_believed_once() -> None:
    """The same call again is somebody who listened."""
    checking = check()
    headers = Signing(SECRET, NOW_S).headers(BODY)
    assert checking.accepts(headers, BODY)
    assert not checking.accepts(headers, BODY)
    assert checking.accepts(Signing(SECRET, NOW_S + 1).headers(BODY), BODY)


@pytest.mark.parametrize(("skew_s", "believed"), [(-300, True), (300, True), (-301, False), (301, False)])
def test_five_minutes_either_way(skew_s: float, believed: bool) -> None:
    """Old calls and calls from the future are nobody's."""
    assert check().accepts(Signing(SECRET, NOW_S, skew_s).headers(BODY), BODY) is believed


@pytest.mark.parametrize(
    "stamp", ["", "soon", "1e9", "-1", "+1763000000", " 1763000000", "1763000000.0", "١٧٦٣٠٠٠٠٠٠", "0x1", "9" * 13, "9" * 5000]
)
def test_a_timestamp_that_is_no_number_is_refused(stamp: str) -> None:
    """Even if it was signed."""
    assert not check().accepts(Signing(SECRET, NOW_S, stamp=stamp).headers(BODY), BODY)


@pytest.mark.parametrize(
    "signature", ["", "v0=", "v0=" + "0" * 64, "v1=" + "0" * 64, "ß" * 67, "\ud800", "v0=" + "0" * 100_000]
)
def test_a_forged_signature_is_refused(signature: str) -> None:
    """Whatever it looks like, and without an error."""
    headers = {TIMESTAMP: str(NOW_S), SIGNATURE: signature}
    assert not check().accepts(headers, BODY)
    assert not check().accepts({}, BODY)


def test_one_changed_byte_is_another_body() -> None:
    """The raw bytes count, not what they mean."""
    headers = Signing(SECRET, NOW_S).headers(BODY)
    assert not check().accepts(headers, b"payload=%7b%7d")
    assert not check().accepts(headers, BODY + b"\n")
    assert not check().accepts(Signing("another", NOW_S).headers(BODY), BODY)


def test_a_rotated_secret_counts_at_once() -> None:
    """It is read anew for each call."""
    secrets = ["old"]
    checking = SignatureCheck(lambda: secrets[-1], lambda: NOW_S * 1_000_000)
    secrets.append("new")
    assert checking.accepts(Signing("new", NOW_S).headers(BODY), BODY)
    assert not checking.accepts(Signing("old", NOW_S).headers(BODY), BODY)
