"""Ends of output: size, hash and both ends are right for any stream cut in any way."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatekeep.errors import EvidenceBroken
from gatekeep.recordings.ends import END_BYTES, OutputEnds, decode_ends


@settings(deadline=None)
@given(
    sizes=st.lists(
        st.one_of(st.integers(0, 40), st.integers(END_BYTES - 3, 2 * END_BYTES + 3)), max_size=6
    )
)
def test_both_ends_and_the_hash_of_all(sizes: list[int]) -> None:
    """First and last 64 KiB, size and SHA-256 are those of the whole stream, however it came."""
    pieces = [bytes([number + 1]) * size for number, size in enumerate(sizes)]
    ends = OutputEnds(7)
    for piece in pieces:
        ends.output(piece)
    ends.errors(b"oops")
    whole = b"".join(pieces)
    payload = json.loads(ends.payload())
    assert (payload["channel"], payload["final"]) == (7, True)
    kept = decode_ends(payload)
    out = kept["stdout"]
    assert (out.size, out.sha256) == (len(whole), hashlib.sha256(whole).hexdigest())
    assert out.first == whole[:END_BYTES]
    assert out.last == whole[END_BYTES:][-END_BYTES:]
    assert out.left_out == max(0, len(whole) - 2 * END_BYTES)
    assert kept["stderr"].first == b"oops"


def test_ends_that_do_not_fit_are_refused() -> None:
    """What was kept whole must have its own hash, and cannot be more than there was."""
    ends = OutputEnds(0)
    ends.output(b"hello")
    for change in ({"size": 3}, {"sha256": "00"}, {"first": "!"}, {"size": None}):
        payload = json.loads(ends.payload())
        payload["stdout"] |= change
        with pytest.raises(EvidenceBroken):
            decode_ends(payload)
    with pytest.raises(EvidenceBroken):
        decode_ends({"codec": "records"})
