"""Fuzz target: a client's first packet, and the start-up packet that goes to a target after it."""

from __future__ import annotations

import struct

from fuzz.draw import Draw
from gatekeep.errors import ClientFault
from gatekeep.protocols.postgres import greeting, options, startup
from gatekeep.protocols.postgres.cancel import CancelKey, cancel_request, parse_cancel

_NAMES = (
    "user", "database", "application_name", "client_encoding", "DateStyle", "datestyle", "TimeZone",
    "options", "replication", "search_path", "session_replication_role", "role", "Row_Security",
    "standard_conforming_strings", "_pq_.x", "a.b", "a b", "geqo", "\u212aey", "USER", "",
)  # fmt: skip
_VALUES = (
    "alice", "alice+app", "orders/shop", "UTF8", "'utf-8'", "SQL_ASCII", "latin1", "on", "off", "",
    "-c geqo=off", "-c role=admin --search-path=x", r"-c a\ b=c\\", "-c", "--x", "-crow_security=off",
    "-c user=mallory -cDatabase=x", "x" * 64, "true", "database", "\u00e9", "\\",
)  # fmt: skip
_HARMLESS = {name.lower() for name in options.HARMLESS}
_NEVER = {"user", "database", "options", "replication"}


def check(draw: Draw) -> None:
    """A fault of the client's or a value that keeps every promise of the door."""
    way = draw.below(8)
    if way == 0:
        _cancel(draw)
    elif way == 1:
        _options(draw)
    elif way == 2:
        _first_sasl(draw)
    else:
        _packet(draw)


def _packet(draw: Draw) -> None:
    packet = _drawn(draw)
    if draw.chance(3):
        packet = draw.damaged(packet)
    try:
        asked = startup.parse_first_packet(packet.ljust(8, b"\0"))
    except ClientFault as fault:
        assert fault.answer is not None
        assert fault.answer.severity == "FATAL"
        return
    if isinstance(asked, startup.StartupRequest):
        _kept(asked, packet)
        _sent_on(draw, asked)
    elif isinstance(asked, startup.CancelRequest):
        assert asked.key is None or cancel_request(asked.key) == packet


def _drawn(draw: Draw) -> bytes:
    if draw.chance(12):
        code = draw.choice((startup.SSL_CODE, startup.GSSENC_CODE, 80877102, 2 << 16, 0))
        body = draw.some(20)
        return struct.pack(">II", 8 + len(body), code) + body
    pairs = [("user", draw.choice(("alice", "alice+app", "a.b-c_d", "Alice", "+x", "")))]
    pairs += [(draw.choice(_NAMES), draw.choice(_VALUES)) for _ in draw.times(8)]
    body = b"".join(name.encode() + b"\0" + value.encode() + b"\0" for name, value in pairs)
    minor = draw.choice((0, 0, 2, 9999))
    return struct.pack(">II", 9 + len(body), 3 << 16 | minor) + body + b"\0"


def _kept(asked: startup.StartupRequest, packet: bytes) -> None:
    """Nothing is invented, and what is not harmless is to be judged."""
    told = packet[8:].decode()
    for part in (asked.principal_name, asked.account, asked.target_name, asked.database):
        assert part in told
        assert len(part) <= startup.NAME_LIMIT
    assert {name.lower() for name in asked.settings} <= _HARMLESS
    assert "client_encoding" not in asked.settings
    for name, _ in asked.settings_to_judge:
        assert name == name.lower()
        assert name not in _HARMLESS | _NEVER
    named = {name.lower() for name, _ in asked.settings_to_judge} | {n.lower() for n in asked.settings}
    parts = packet[8:-1].split(b"\0")
    for name in (name.decode() for name in parts[:-1:2]):
        known = name.lower() in named | _NEVER | {"client_encoding"} or name in asked.unknown_options
        assert known, name


def _sent_on(draw: Draw, asked: startup.StartupRequest) -> None:
    """What a target gets: pinned settings stand, each name comes once, account and database are ours."""
    permitted = [one for one in asked.settings_to_judge if draw.chance(2)]
    read_only = draw.chance(2)
    packet = startup.target_startup(
        account="app", database="shop", application_name="gatekeep/S-1", search_path="public",
        settings=asked.settings, permitted=permitted, read_only=read_only,
    )  # fmt: skip
    assert struct.unpack_from(">II", packet) == (len(packet), startup.PROTOCOL_3_0)
    assert packet.endswith(b"\0\0")
    parts = packet[8:-2].split(b"\0")
    names, values = parts[::2], parts[1::2]
    assert len(names) == len({name.lower() for name in names}) == len(values)
    sent = {name.decode().lower(): value.decode() for name, value in zip(names, values, strict=True)}
    wanted = {**startup.PINNED, "user": "app", "database": "shop", "application_name": "gatekeep/S-1"}
    if read_only:
        wanted["default_transaction_read_only"] = "on"
    assert wanted.items() <= sent.items()
    allowed = {n.lower() for n in asked.settings} | {n for n, _ in permitted} | {"search_path"}
    assert sent.keys() <= allowed | wanted.keys()


def _cancel(draw: Draw) -> None:
    key = CancelKey(int.from_bytes(draw.take(4), "big"), draw.take(4 + draw.below(253)))
    packet = cancel_request(key)
    assert parse_cancel(packet) == key
    damaged = draw.damaged(packet)
    found = parse_cancel(damaged)
    assert found is None or cancel_request(found) == damaged


def _options(draw: Draw) -> None:
    """Words that are quoted come back as they were; any text is settings or a refusal."""
    letters = "ab \t\\=-c\u00e9\u2028'\""
    words = [
        "".join(draw.choice(letters) for _ in range(1 + draw.below(6))) for _ in draw.times(6)
    ]
    quoted = ["".join("\\" + one if one in " \t\\" else one for one in word) for word in words]
    assert options.split_words(draw.choice((" ", "\t\n", "  ")).join(quoted)) == words
    text = "".join(draw.choice((*letters, "-c ", "--a=", "-ca=b ")) for _ in draw.times(30))
    try:
        settings = options.settings_of(text)
    except options.OptionsRefused as refused:
        assert len(str(refused)) < 500
        return
    for name, _ in settings:
        assert options.setting_name(name) == name


def _first_sasl(draw: Draw) -> None:
    name, data = draw.choice(("SCRAM-SHA-256", "x", "")), draw.some(40)
    body = name.encode() + b"\0" + struct.pack(">i", len(data)) + data
    assert greeting.read_sasl_initial(body) == (name, data)
    damaged = draw.damaged(body)
    try:
        mechanism, response = greeting.read_sasl_initial(damaged)
    except ClientFault as fault:
        assert fault.answer is not None
        return
    assert damaged == mechanism.encode() + b"\0" + struct.pack(">i", len(response)) + response
