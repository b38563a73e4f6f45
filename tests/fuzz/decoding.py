"""Fuzz target: single messages and values. Builders and readers agree, and readers only ever fault."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from fuzz.draw import Draw
from gatekeep.errors import ClientFault, TargetFault
from gatekeep.messages import WireMessage
from gatekeep.protocols.postgres import frames, grammar, values, vector
from gatekeep.protocols.postgres import messages as m

_OIDS = (
    0, 16, 17, 18, 19, 20, 21, 23, 25, 26, 114, 700, 701, 1042, 1043, 1082, 1114, 1184, 1700, 2950,
    3802, 9999,
)  # fmt: skip
_OF_CLIENTS: tuple[Callable[[bytes], Any], ...] = (
    m.read_query, m.read_parse, m.read_bind, m.read_execute, m.read_sasl_initial_response,
)  # fmt: skip
_OF_TARGETS: tuple[Callable[[bytes], Any], ...] = (
    m.read_fields, m.read_error, m.read_parameter_status, m.read_notification,
    m.read_command_complete, m.read_ready, m.read_authentication, m.read_backend_key_data,
    m.read_sasl_mechanisms, vector.read_row, lambda body: grammar.unmasked(b"N", body),
)  # fmt: skip


def check(draw: Draw) -> None:
    """One message or value."""
    (_round_trip, _damaged, _value, _rows, _anything)[draw.below(5)](draw)


def _name(draw: Draw) -> str:
    return draw.some(12).replace(b"\0", b"").decode("utf-8", "surrogateescape")


def _frame(draw: Draw) -> tuple[bytes, Callable[[bytes], Any], Any]:
    """A message, its reader, and what the reader must say."""
    one, two = _name(draw), _name(draw)
    way = draw.below(6)
    if way == 0:
        text = draw.some(30).replace(b"\0", b"")
        return m.frame(b"Q", text + b"\0"), m.read_query, text
    if way == 1:
        oids = tuple(int.from_bytes(draw.take(4), "big") for _ in range(draw.below(4)))
        text = two.encode("utf-8", "surrogateescape")
        return m.parse(one, two, oids), m.read_parse, m.ParseMessage(one, text, oids)
    if way == 2:
        given = [draw.choice((None, b"", draw.some(20))) for _ in range(draw.below(5))]
        formats = draw.choice(([], [1], [0] * len(given)))
        frame = m.bind(one, two, given, formats, [0] * draw.below(3))
        return frame, m.read_bind, m.BindMessage(one, two, tuple(formats), tuple(given))
    if way == 3:
        limit = int.from_bytes(draw.take(4), "big")
        return m.execute(one, limit), m.read_execute, (one, limit)
    if way == 4:
        kind = draw.choice("SP")
        return m.close(kind, one), lambda body: m.read_described(body, "Close"), (kind, one)
    data = draw.some(30)
    frame = m.sasl_initial_response("SCRAM-SHA-256", data)
    return frame, m.read_sasl_initial_response, ("SCRAM-SHA-256", data)


def _round_trip(draw: Draw) -> None:
    frame, read, wanted = _frame(draw)
    assert read(frame[5:]) == wanted


def _damaged(draw: Draw) -> None:
    frame, read, _ = _frame(draw)
    try:
        read(draw.damaged(frame[5:]))
    except ClientFault as fault:
        assert fault.public


def _anything(draw: Draw) -> None:
    """Any bytes to any reader: a value, or a fault of the right side."""
    body = draw.some(80)
    if draw.chance(2):
        told = WireMessage(draw.choice(("42501", "1", "")), draw.choice(("gatekeep: x", "x", " Gatekeep")))
        body = draw.damaged(m.error_response(told)[5:])
    for read in _OF_CLIENTS:
        try:
            read(body)
        except ClientFault as fault:
            assert fault.public
    for read in _OF_TARGETS:
        try:
            read(body)
        except TargetFault as fault:
            assert fault.public
    try:
        rewritten = grammar.unmasked(b"N", body)
        fields = m.read_fields(body)
    except TargetFault:
        return
    if rewritten is not None:
        fields = m.read_fields(rewritten[5:])
    for code, value in fields:
        assert code != b"M" or not value.lower().lstrip().startswith(b"gatekeep")


def _value(draw: Draw) -> None:
    """Any value of any type is recorded: whole and short, or by length and hash."""
    value = draw.choice((None, b"", draw.some(40), bytes(values.MAX_VALUE + draw.below(2))))
    if draw.chance(3):
        digits = [draw.below(10_000) for _ in range(draw.below(8))]
        weight, sign = draw.below(12) - 4, draw.choice((0, 0x4000, 0xC000, 0xD000, 7))
        scale = draw.choice((0, 2, 9, 16_383, 16_384))
        value = struct.pack(f">HhHH{len(digits)}H", len(digits), weight, sign, scale, *digits)
    shown = values.bound_value(value, draw.choice(_OIDS), draw.chance(2))
    if value is None:
        assert shown.text is None
        return
    assert shown.length == len(value)
    assert shown.text is not None
    assert len(shown.text) <= 40_000
    assert not (len(value) > values.MAX_VALUE and not shown.sha256)


def _rows(draw: Draw) -> None:
    """Rows are counted as by a slow reader, wherever the bytes end."""
    kind = draw.choice((frames.ROW, frames.COPY_DATA))
    least = 6 if kind == frames.ROW else 4
    parts = [m.frame(bytes([kind]), draw.some(30)) for _ in draw.times(8)]
    if draw.chance(3):
        parts.insert(draw.below(len(parts)), draw.choice((m.SYNC, b"D\0\0\0\5x", b"d\xff\xff\xff\xff")))
    data = b"".join(parts)[: draw.below(120)]
    start = at = draw.choice((0, 0, min(5, len(data))))
    count = 0
    while len(data) - at >= 5 and data[at] == kind:
        length = int.from_bytes(data[at + 1 : at + 5], "big")
        if not least <= length <= frames.LONGEST:
            break
        count, at = count + 1, at + 1 + length
    assert frames.skip_rows(data, start, len(data), kind) == (count, at)
