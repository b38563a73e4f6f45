"""CancelRequest: both layouts, and nothing that only looks like one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeep.protocols.postgres.cancel import CancelKey, cancel_request, parse_cancel


@given(st.integers(0, 2**32 - 1), st.binary(min_size=4, max_size=256))
def test_what_is_sent_is_what_is_read(pid: int, secret: bytes) -> None:
    """For every number, and every length of secret that 3.0 and 3.2 know."""
    key = CancelKey(pid, secret)
    assert parse_cancel(cancel_request(key)) == key


def test_a_key_does_not_show_its_secret() -> None:
    """Not even in diagnostics of ours."""
    assert "sesame" not in repr(CancelKey(1, b"sesame"))


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        cancel_request(CancelKey(1, b"abc")),
        cancel_request(CancelKey(1, b"a" * 257)),
        cancel_request(CancelKey(1, b"abcd")) + b"x",
        b"\0\0\0\x10\0\0\0\0\0\0\0\x01abcd",
    ],
)
def test_what_is_no_cancel_request(packet: bytes) -> None:
    """Is none."""
    assert parse_cancel(packet) is None
