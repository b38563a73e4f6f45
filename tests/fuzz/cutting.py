"""Fuzz target: the cutter, fed at any cuts, against a slow reader that sees the whole stream.

The limits are made small, so that streams of a few hundred bytes meet every one of them. A
compiled module keeps its own, and is then compared at real size.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from unittest.mock import patch

from fuzz.draw import Draw
from gatekeep.errors import ClientFault
from gatekeep.protocols.postgres import frames
from gatekeep.protocols.postgres import messages as m


@dataclass
class Limits:
    """What the cutter goes by, in bytes and messages."""

    judged: int = frames.JUDGED_LIMIT
    small: int = 10_000
    longest: int = frames.LONGEST
    segment_bytes: int = frames.SEGMENT_BYTES
    segment_messages: int = frames.SEGMENT_MESSAGES
    slack: int = 10


REAL = Limits()
TINY = Limits(200, 60, 400, 90, 6, 2)
limits = REAL


@contextlib.contextmanager
def around() -> Iterator[None]:
    """Small limits, where the module can be changed."""
    global limits  # noqa: PLW0603 - one target a process
    if not str(frames.__file__).endswith(".py"):
        yield
        return
    limits = TINY
    sizes = dict.fromkeys(b"QPBF", TINY.judged - 1) | dict.fromkeys(b"DCESHX", TINY.small)
    with (
        patch.object(frames, "_LIMITS", sizes),
        patch.object(frames, "_SMALL", TINY.small),
        patch.object(frames, "LONGEST", TINY.longest),
        patch.object(frames, "JUDGED_LIMIT", TINY.judged),
        patch.object(frames, "SEGMENT_BYTES", TINY.segment_bytes),
        patch.object(frames, "SEGMENT_MESSAGES", TINY.segment_messages),
        patch.object(frames, "_SLACK_MESSAGES", TINY.slack),
    ):
        yield
    limits = REAL


@dataclass
class Plain:
    """A segment as the slow reader sees it: each message's type and bytes (None: too large)."""

    kind: str | None
    messages: list[tuple[int, bytes | None]]


_NAMED = {ord("S"): "sync", ord("H"): "flush"}
_ALONE = {ord("Q"): "query", ord("F"): "function_call", ord("X"): None}


def read_slowly(data: bytes) -> tuple[list[Plain], bool]:
    """Every whole segment of a stream, and whether the client is at fault behind them."""
    found: list[Plain] = []
    open_: list[tuple[int, bytes | None]] = []
    at = 0
    while len(data) - at >= 5:
        kind = data[at]
        length = int.from_bytes(data[at + 1 : at + 5], "big")
        end = at + 1 + length
        streamed = kind in b"QPBFd"
        kept_up_to = limits.judged - 1 if kind in b"QPBF" else limits.small
        if kind in b"dcf" or not 4 <= length <= kept_up_to or kind not in b"QPBFDCESHX":
            if open_ and kind in b"QFXdcf":  # rows may belong to a COPY in what stands open
                found.append(Plain("cut", open_))
                open_ = []
            if kind not in b"QPBFDCESHXdcf":
                return found, True
            if not 4 <= length <= (limits.longest if streamed else limits.small):
                return found, True
            if end > len(data):
                return found, False
            at = end
            if kind in b"dcf":
                continue
            message: tuple[int, bytes | None] = (kind, None)
        else:
            if end > len(data):
                return found, False
            message = (kind, data[at:end])
            at = end
        if kind in _ALONE:
            if open_ and kind != ord("X"):
                found.append(Plain("cut", open_))
                open_ = []
            found.append(Plain(_ALONE[kind], [*open_, message]))
            open_ = []
            continue
        open_.append(message)
        size = sum(5 if one is None else len(one) for _, one in open_)
        full = len(open_) >= limits.segment_messages or size >= limits.segment_bytes
        overfull = len(open_) >= limits.segment_messages + limits.slack or size >= limits.judged
        if kind in _NAMED:
            found.append(Plain(_NAMED[kind], open_))
            open_ = []
        elif full and (kind == ord("E") or overfull):
            found.append(Plain("cut", open_))
            open_ = []
    return found, False


def stream(draw: Draw) -> bytes:
    """Messages of a client, most of them well-formed, of sizes around every limit."""
    parts: list[bytes] = []
    for _ in draw.times(20):
        way = draw.below(12)
        if way < 9:
            kind = draw.choice(b"SSPBEDCHQFXdcfBE")
            size = draw.choice((0, 1, 3, 20, 50, 56, 57, 80, 195, 196, 300, 396))
            body = b"" if kind in b"SHX" and size < 80 else bytes(size)
            parts.append(m.frame(bytes([kind]), body))
        elif way < 11:
            lie = draw.choice((0, 3, 4, 60, 61, 199, 200, 400, 401, 2**30, 2**32 - 1))
            parts.append(draw.choice((b"Q", b"P", b"d", b"S", b"c", b"!")) + lie.to_bytes(4, "big"))
        else:
            parts.append(draw.some(30))
    return b"".join(parts)


def check(draw: Draw) -> None:
    """The same segments and the same fault, however the stream is cut; and memory is bounded."""
    data = stream(draw)
    wanted, wanted_fault = read_slowly(data)
    cutter = frames.Cutter()
    found: list[frames.Cut] = []
    fault = False
    fed = kept = 0
    for piece in draw.pieces(data):
        cutter.feed(piece)
        fed += len(piece)
        try:
            while (cut := cutter.cut()) is not None:
                found.append(cut)
                kept += len(cut.raw)
                assert len(found) <= len(wanted), "more segments than there are"
        except ClientFault as problem:
            assert problem.public
            fault = True
            break
        assert cutter.held <= fed
        assert cutter.held < 2 * limits.judged, "an incomplete message is all that may be held"
    assert fault == wanted_fault
    assert len(found) == len(wanted)
    for cut, plain in zip(found, wanted, strict=True):
        _same(cut, plain)
    whole = sum(len(one) for plain in wanted for _, one in plain.messages if one is not None)
    assert kept <= whole + 5 * sum(len(plain.messages) for plain in wanted)


def _same(cut: frames.Cut, plain: Plain) -> None:
    assert cut.kind == plain.kind
    assert cut.types == [kind for kind, _ in plain.messages]
    ends = [*cut.starts[1:], len(cut.raw)]
    for position, (kind, body) in enumerate(plain.messages):
        got = cut.raw[cut.starts[position] : ends[position]]
        assert (position in cut.too_large) == (body is None)
        assert got == (bytes([kind, 0, 0, 0, 4]) if body is None else body)
