"""Sessions: the short form that people type."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from gatekeep.domain.sessions import session_code


@given(st.binary(min_size=16, max_size=16))
def test_a_code_is_short_and_typeable(raw: bytes) -> None:
    """`S-` and eight characters without I, L, O and U, so that none is mistaken for another."""
    assert re.fullmatch(r"S-[0-9A-HJKMNP-TV-Z]{8}", session_code(raw.hex()))


@given(st.integers(0, 2**40 - 1), st.integers(0, 2**40 - 1))
def test_codes_keep_the_first_forty_bits_apart(one: int, other: int) -> None:
    """Two sessions share a code only if their first 40 bits are the same."""
    first, second = (f"{number:010x}{'0' * 22}" for number in (one, other))
    assert (session_code(first) == session_code(second)) == (one == other)
