"""First packets: what passes, what is sorted for judgement, and what is refused."""

from __future__ import annotations

import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gatekeep.errors import ClientFault
from gatekeep.protocols.postgres.cancel import CancelKey, cancel_request
from gatekeep.protocols.postgres.startup import (
    CancelRequest,
    GssRequest,
    SslRequest,
    StartupRequest,
    packet_length,
    parse_first_packet,
    ssl_request,
    target_startup,
)


def packet(code: int, body: bytes = b"") -> bytes:
    """An untyped packet."""
    return struct.pack("!II", len(body) + 8, code) + body


def startup(*pairs: tuple[str, str], code: int = 3 << 16) -> bytes:
    """A StartupMessage with these keys, in this order."""
    body = b"".join(f"{name}\0{value}\0".encode() for name, value in pairs)
    return packet(code, body + b"\0")


def parsed(*pairs: tuple[str, str], code: int = 3 << 16) -> StartupRequest:
    """What these keys mean."""
    request = parse_first_packet(startup(*pairs, code=code))
    assert isinstance(request, StartupRequest)
    return request


def refused(data: bytes) -> str:
    """SQLSTATE of the refusal."""
    with pytest.raises(ClientFault) as fault:
        parse_first_packet(data)
    assert fault.value.answer is not None
    assert fault.value.answer.severity == "FATAL"
    return fault.value.answer.sqlstate


def keys_of(data: bytes) -> dict[str, str]:
    """The keys of a packet to a target; fails if one comes twice."""
    words = data[8:-2].decode().split("\0")
    assert len(words) % 2 == 0
    assert len(set(words[::2])) == len(words) // 2, "a key twice"
    return dict(zip(words[::2], words[1::2], strict=True))


def test_requests_for_encryption() -> None:
    """Both are recognised; with bytes inside they are not."""
    assert isinstance(parse_first_packet(ssl_request()), SslRequest)
    assert isinstance(parse_first_packet(packet(80877104)), GssRequest)
    assert refused(packet(80877103, b"x")) == "08P01"


@pytest.mark.parametrize("size", [4, 32, 256])
def test_cancel_requests_with_short_and_long_keys(size: int) -> None:
    """4 bytes of secret in protocol 3.0, up to 256 in 3.2; what we send we understand."""
    key = CancelKey(4_000_000_000, b"k" * size)
    assert parse_first_packet(cancel_request(key)) == CancelRequest(key)


@pytest.mark.parametrize("size", [0, 3, 257])
def test_cancel_requests_of_other_sizes(size: int) -> None:
    """Have no key that could fit; they are answered like keys that do not."""
    packet = parse_first_packet(cancel_request(CancelKey(1, b"k" * size)))
    assert packet == CancelRequest(None)


def test_principal_account_target_database() -> None:
    """The names are separated as documented."""
    request = parsed(("user", "alice+app_RW"), ("database", "orders/Sales 2026"))
    assert (request.principal_name, request.account) == ("alice", "app_RW")
    assert (request.target_name, request.database) == ("orders", "Sales 2026")


def test_an_empty_database_means_the_users_name() -> None:
    """As PostgreSQL does, and what is admitted is that effective name."""
    assert parsed(("user", "alice")).target_name == "alice"
    assert parsed(("user", "alice+app"), ("database", "")).target_name == "alice"


@pytest.mark.parametrize("name", ["Alice", "\uff41lice", "al ice", ".alice", "+app", "a\u200blice"])
def test_names_that_no_principal_has(name: str) -> None:
    """Are refused in the words of every failed sign-in."""
    assert refused(startup(("user", name))) == "28P01"


def test_a_missing_user() -> None:
    """Is refused."""
    assert refused(startup(("database", "orders"))) == "08P01"
    assert refused(startup(("user", ""))) == "08P01"


@pytest.mark.parametrize("second", ["user", "USER", "User"])
def test_duplicate_keys(second: str) -> None:
    """Are refused in any spelling: on the target the last would win (12-threats H3)."""
    assert refused(startup(("user", "alice"), (second, "bob"))) == "08P01"


@pytest.mark.parametrize("name", ["USER", "Database", "OPTIONS", "Replication"])
def test_reserved_words_in_another_spelling(name: str) -> None:
    """Never become settings: folded to lower case they would be keys of our own packet."""
    pairs = [("user", "alice")] if name != "USER" else []
    assert refused(startup(*pairs, (name, "postgres"))) in {"22023", "08P01"}


def test_reserved_words_inside_options() -> None:
    """Do not get there either."""
    for word in ("user", "database", "Replication", "options"):
        assert refused(startup(("user", "alice"), ("options", f"-c {word}=x"))) == "22023"


@pytest.mark.parametrize("written", ["UTF8", "utf-8", "'utf-8'", "Unicode", "UTF_8", "'UTF8'"])
def test_every_spelling_of_utf8(written: str) -> None:
    """Is accepted without a word (asyncpg sends it with quotes)."""
    request = parsed(("user", "alice"), ("client_encoding", written))
    assert request.client_encoding == written
    assert request.notices == ()


def test_sql_ascii_is_answered_as_utf8() -> None:
    """A psql under LC_ALL=C asks for it: it gets in, and is told."""
    request = parsed(("user", "alice"), ("client_encoding", "SQL_ASCII"))
    assert [notice.severity for notice in request.notices] == ["NOTICE"]


@pytest.mark.parametrize("written", ["LATIN1", "", "UTF16", "SJIS", "utf8x"])
def test_other_encodings(written: str) -> None:
    """Are refused, also inside options."""
    assert refused(startup(("user", "alice"), ("client_encoding", written))) == "22023"
    option = f"-c client_encoding={written}"
    assert refused(startup(("user", "alice"), ("options", option))) == "22023"


def test_harmless_settings_pass_and_others_are_judged() -> None:
    """In any spelling of their names; keys stand above options, as on the target."""
    request = parsed(
        ("user", "alice"),
        ("application_name", "psql"),
        ("datestyle", "ISO, MDY"),
        ("TIMEZONE", "UTC"),
        ("Session_Replication_Role", "replica"),
        ("options", "-c geqo=off -cwork_mem=1MB --search-path=a\\ b,c -c timezone=CET"),
    )
    assert request.settings == {
        "geqo": "off", "TimeZone": "UTC", "application_name": "psql", "DateStyle": "ISO, MDY",
    }  # fmt: skip
    assert request.application_name == "psql"
    assert request.settings_to_judge == (
        ("work_mem", "1MB"),
        ("search_path", "a b,c"),
        ("session_replication_role", "replica"),
    )


@pytest.mark.parametrize(
    "options",
    ["-d 5", "-c", "-c work_mem", "--", "-e", "work_mem=1", "-W 9", "-c =1", "-c a;b=1", "-"],
)
def test_other_switches_in_options(options: str) -> None:
    """Are refused."""
    assert refused(startup(("user", "alice"), ("options", options))) == "22023"


@pytest.mark.parametrize(
    ("options", "value"),
    [
        (r"-c search_path=a\\b", r"a\b"),
        ("-c search_path=a\\ -c\\ role=x", "a -c role=x"),
        ("\t -c\n search_path=é ", "é"),
        ("-c search_path=a=b", "a=b"),
        ("-c search_path=", ""),
        ("-c search_path=a\\", "a"),
    ],
)
def test_options_are_split_as_the_target_splits_them(options: str, value: str) -> None:
    """Backslashes keep the next character, so nothing hides behind one."""
    request = parsed(("user", "alice"), ("options", options))
    assert request.settings_to_judge == (("search_path", value),)


@pytest.mark.parametrize("name", ["work mem", "9lives", "work-mem", "a'b", "a\nb"])
def test_keys_that_no_setting_has(name: str) -> None:
    """Are refused and not passed on."""
    assert refused(startup(("user", "alice"), (name, "1"))) == "22023"


def test_replication() -> None:
    """Asked for in any spelling of the server's, it is told to the policy and never a setting."""
    for value in ("true", "database", "1", "ON", "t", "yes"):
        request = parsed(("user", "alice"), ("replication", value))
        assert (request.replication, request.settings_to_judge) == (True, ())
    for value in ("false", "0", "off", "F", "no"):
        request = parsed(("user", "alice"), ("replication", value))
        assert (request.replication, request.settings_to_judge) == (False, ())
    assert not parsed(("user", "alice")).replication
    for value in ("maybe", "o", "DATABASE", "2"):
        assert refused(startup(("user", "alice"), ("replication", value))) == "22023"


@pytest.mark.parametrize(
    ("asked", "spoken", "negotiates", "long_key"),
    [(0, 0, False, False), (1, 1, False, False), (2, 2, False, True), (3, 2, True, True),
     (9999, 2, True, True), (0xFFFF, 2, True, True)],
)  # fmt: skip
def test_minor_versions(asked: int, spoken: int, negotiates: bool, long_key: bool) -> None:
    """As PostgreSQL 18: up to 3.2 what was asked is spoken, above it 3.2 is offered instead."""
    request = parsed(("user", "alice"), code=(3 << 16) | asked)
    assert request.spoken_minor == spoken
    assert request.negotiates is negotiates
    assert request.long_cancel_key is long_key


def test_unknown_options_are_negotiated_away() -> None:
    """In any version; another major version is refused."""
    for minor in (0, 2):
        request = parsed(("user", "alice"), ("_pq_.novel", "x"), code=(3 << 16) | minor)
        assert request.unknown_options == ("_pq_.novel",)
        assert request.spoken_minor == minor
        assert request.negotiates
    assert refused(startup(("user", "alice"), code=2 << 16)) == "0A000"


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("!I", 0), struct.pack("!I", 7), struct.pack("!I", 10_001),
        struct.pack("!I", 0xFFFFFFFF), b"GET ", b"\x16\x03\x01\x02",
    ],
)  # fmt: skip
def test_impossible_lengths(data: bytes) -> None:
    """Are refused from the first four bytes alone."""
    with pytest.raises(ClientFault):
        packet_length(data)


@pytest.mark.parametrize(
    "body", [b"", b"\0", b"user\0alice", b"user\0alice\0", b"user\0alice\0\0\0", b"user\0\0",
             b"\0alice\0\0", b"user\0al\xff\0\0", b"user\0alice\0x\0\0"],
)  # fmt: skip
def test_malformed_lists(body: bytes) -> None:
    """Are violations; an empty list lacks its user."""
    assert refused(packet(3 << 16, body)) == "08P01"


def test_the_packet_to_a_target_pins_what_decides_how_it_reads() -> None:
    """Pins stand above everything; ours is the application name (12-threats C2)."""
    keys = keys_of(
        target_startup(
            account="app", database="sales", application_name="gatekeep/S-1",
            search_path='"$user", public',
            settings={"application_name": "psql", "TimeZone": "UTC"},
            permitted=[("standard_conforming_strings", "off"), ("work_mem", "1MB"),
                       ("default_transaction_read_only", "off"), ("client_encoding", "SJIS"),
                       ("row_security", "off"), ("user", "postgres"), ("options", "-c a=b")],
            read_only=True,
        )
    )  # fmt: skip
    assert keys == {
        "user": "app", "database": "sales", "application_name": "gatekeep/S-1",
        "search_path": '"$user", public', "TimeZone": "UTC", "work_mem": "1MB",
        "standard_conforming_strings": "on", "client_encoding": "UTF8", "row_security": "on",
        "default_transaction_read_only": "on",
    }  # fmt: skip


def test_a_permitted_search_path_replaces_the_pinned_one() -> None:
    """Policy said yes to it, and the session vector begins with it."""
    keys = keys_of(
        target_startup(
            account="app", database="sales", application_name="x", search_path="public",
            settings={}, permitted=[("search_path", "lab")],
        )
    )  # fmt: skip
    assert keys["search_path"] == "lab"
    assert "default_transaction_read_only" not in keys


def test_values_cannot_break_out_of_the_packet() -> None:
    """A zero byte never comes in (the parser splits at it), so none can go out."""
    request = parsed(("user", "alice"), ("DateStyle", "ISO"))
    assert all("\0" not in value for value in request.settings.values())


@given(st.binary(max_size=200))
@example(b"\0\0\0\x09\0\x03\0\0\0")
def test_garbage_is_a_fault_of_the_client_and_nothing_else(data: bytes) -> None:
    """Any bytes: a value or a ClientFault with words; never another exception."""
    answers: list[object] = []
    for candidate in (data, packet(3 << 16, data), packet(3 << 16, b"user\0alice\0" + data)):
        if len(candidate) < 8:
            continue
        try:
            parse_first_packet(candidate)
        except ClientFault as fault:
            answers.append(fault.answer)
    assert None not in answers


@given(st.dictionaries(st.text(max_size=12), st.text(max_size=12), max_size=5))
def test_no_key_of_a_client_reaches_the_target_unseen(pairs: dict[str, str]) -> None:
    """Whatever was asked, the target's user and database are ours and no key comes twice."""
    usable = {
        name: value for name, value in pairs.items()
        if name and "\0" not in name + value and name not in {"user", "database"}
    }  # fmt: skip
    try:
        request = parsed(("user", "alice"), *usable.items())
    except ClientFault:
        return
    keys = keys_of(
        target_startup(
            account="app", database="sales", application_name="gk", search_path="public",
            settings=request.settings, permitted=request.settings_to_judge,
        )
    )  # fmt: skip
    assert (keys["user"], keys["database"]) == ("app", "sales")
    assert "replication" not in keys
    assert "options" not in keys
