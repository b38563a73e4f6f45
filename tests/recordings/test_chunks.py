"""The bytes of recordings: nothing is lost, and nothing broken is taken for a recording."""

from __future__ import annotations

import base64
import contextlib
import json
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from gatekeep.errors import EvidenceBroken
from gatekeep.recordings.chunks import (
    CODES,
    MAX_COLUMNS,
    MAX_RECORDS_BYTES,
    MAX_ROWS,
    Chunk,
    ChunkOrder,
    Record,
    Terminal,
    decode_chunk,
    encode_chunk,
    for_a_screen,
    pack,
    resize_data,
    resized_terminal,
    unpack,
)

RECORDS = st.lists(
    st.builds(Record, st.integers(0, 2**40), st.sampled_from(sorted(CODES)), st.binary(max_size=80))
)


def _chunk(records: bytes, **more: Any) -> Chunk:
    facts = {"terminal": Terminal(), "counts": {"output": 1}, "sha256": "00", **more}
    return Chunk(3, 0, 1_763_000_000_000_000, 5, 9, records=records, **facts)


@settings(deadline=None)
@given(records=RECORDS)
def test_any_bytes_survive(records: list[Record]) -> None:
    """Records come back from an event's payload exactly, whatever bytes they hold."""
    chunk = _chunk(b"".join(map(pack, records)), terminal=Terminal(132, 43, "xterm-256color"))
    payload = encode_chunk(chunk)
    again = decode_chunk(json.loads(payload))
    assert again == chunk
    assert unpack(again.records) == records
    assert payload == json.dumps(
        json.loads(payload), sort_keys=True, separators=(",", ":")
    ).encode()


@settings(deadline=None)
@given(raw=st.binary(max_size=200))
def test_no_bytes_break_the_reader(raw: bytes) -> None:
    """Whatever stands where records should is records or EvidenceBroken, never another fault."""
    with contextlib.suppress(EvidenceBroken):
        assert b"".join(map(pack, unpack(raw))) == raw


@settings(deadline=None)
@given(
    payload=st.dictionaries(
        st.sampled_from(
            ["channel", "codec", "columns", "counts", "data", "final", "first_us", "last_us",
             "rows", "seq", "sha256", "started_us", "term"]
        ),
        st.one_of(
            st.none(), st.booleans(), st.integers(), st.text("a0=\xff", max_size=9),
            st.sampled_from(["records", "records.zstd"]), st.dictionaries(st.text("ab", max_size=2), st.integers()),
        ),
    )
)  # fmt: skip
def test_no_payload_breaks_the_reader(payload: dict[str, Any]) -> None:
    """A payload of any shape is a chunk or EvidenceBroken."""
    with contextlib.suppress(EvidenceBroken):
        decode_chunk(payload)


@pytest.mark.parametrize("claims", [True, False])
def test_a_bomb_is_not_inflated(claims: bool) -> None:
    """Data that grows past the largest chunk is refused, whether its head says its size or not."""
    payload = json.loads(encode_chunk(_chunk(b"")))
    bomb = zstandard.ZstdCompressor(write_content_size=claims).compress(bytes(MAX_RECORDS_BYTES + 1))
    payload["data"] = base64.b64encode(bomb).decode()
    with pytest.raises(EvidenceBroken):
        decode_chunk(payload)


def test_a_gap_a_repeat_and_other_bytes_are_found() -> None:
    """Chunks of one channel are taken in order, once, with the bytes that were counted."""
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    order = ChunkOrder()
    assert order.check(_chunk(b"", sha256=empty)) == []
    with pytest.raises(EvidenceBroken, match="order"):
        order.check(_chunk(b"", sha256=empty))
    with pytest.raises(EvidenceBroken, match="counted"):
        ChunkOrder().check(_chunk(pack(Record(1, "o", b"x")), sha256=empty))
    final = ChunkOrder()
    final.check(_chunk(b"", sha256=empty, final=True))
    assert final.final


def test_lines_without_a_terminal_end_with_a_return() -> None:
    """What had no terminal is shown on one without stairs; what had one is shown as it is."""
    assert for_a_screen(Record(0, "o", b"a\nb\r\n"), Terminal()) == b"a\r\nb\r\n"
    assert for_a_screen(Record(0, "o", b"a\nb\r\n"), Terminal(80, 24, "xterm")) == b"a\nb\r\n"
    assert for_a_screen(Record(0, "e", b"a\n"), Terminal(80, 24, "xterm")) == b"a\r\n"


def test_sizes_are_clamped_and_names_are_plain() -> None:
    """No terminal is larger than 1000 by 500 or smaller than 1 by 1; its name drives nothing."""
    assert Terminal(0, -5) == Terminal(1, 1)
    huge = Terminal(2**32 - 1, 2**32 - 1, "x\x1b[2J\u202e" + "y" * 500)
    assert (huge.columns, huge.rows) == (MAX_COLUMNS, MAX_ROWS)
    assert huge.term == "x[2J" + "y" * 58
    assert resized_terminal(resize_data(huge), huge.term) == huge
    for broken in (b"", b"80", b"80x", b"ax24", b"9" * 20 + b"x1"):
        with pytest.raises(EvidenceBroken):
            resized_terminal(broken)
