"""The front of the door: real clients get in, everybody else gets one answer and leaves a trace."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import struct
from pathlib import Path

import asyncpg
import psycopg
import pytest
from support.certificates import Authority, CertificateFiles
from support.door import PARAMETERS, TOKEN, OpenDoor, open_door, values
from support.loops import on_both_loops

from gatekeep.messages import WireMessage
from gatekeep.protocols.postgres import messages
from gatekeep.protocols.postgres.cancel import CancelKey, cancel_request
from gatekeep.protocols.postgres.scram import ClientExchange, salted_password
from gatekeep.proxies.postgres.front import Arrival, greet
from gatekeep.proxies.postgres.listener import DoorValues

SSL_REQUEST = struct.pack("!II", 8, 80877103)
GSS_REQUEST = struct.pack("!II", 8, 80877104)


@pytest.fixture
def leaf(tmp_path: Path) -> CertificateFiles:
    """A certificate for loopback, from a CA of this test in `ca.pem`."""
    return Authority(tmp_path).issue("door")


def with_tls(leaf: CertificateFiles, mode: str = "require", **changes: object) -> DoorValues:
    """A door that shows this certificate."""
    return values(tls=mode, certificate=leaf.certificate, key=leaf.key, **changes)


def startup(*pairs: str, code: int = 3 << 16) -> bytes:
    """A StartupMessage."""
    body = "".join(f"{word}\0" for word in pairs).encode() + b"\0"
    return struct.pack("!II", len(body) + 8, code) + body


def dsn(opened: OpenDoor, **more: str) -> str:
    """How libpq is told to come here."""
    keys = {"host": "127.0.0.1", "port": str(opened.port), "user": "alice", "dbname": "orders",
            "password": TOKEN, "connect_timeout": "10", **more}  # fmt: skip
    return " ".join(f"{key}='{value}'" for key, value in keys.items())


async def libpq(opened: OpenDoor, **more: str) -> psycopg.AsyncConnection[tuple[object, ...]]:
    """A psycopg connection that sends nothing by itself."""
    return await psycopg.AsyncConnection.connect(dsn(opened, **more), autocommit=True)


async def psql(
    opened: OpenDoor, *, env: dict[str, str] | None = None, **more: str
) -> tuple[int, str, str]:
    """Run psql against the door: exit code, output, errors."""
    process = await asyncio.create_subprocess_exec(
        "psql", "-X", "-At", "-c", "select 1", dsn(opened, **more),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.defpath, "HOME": "/nonexistent", **(env or {})},
    )  # fmt: skip
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def say(opened: OpenDoor, *pieces: bytes, end: bool = False) -> bytes:
    """Send raw bytes and read until the door closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", opened.port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        if end:
            writer.write_eof()
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


def state(answer: bytes) -> str:
    """SQLSTATE of an ErrorResponse, wherever in the bytes it stands."""
    at = answer.find(b"E", 0)
    while at >= 0 and b"\0C" not in answer[at : at + 40]:
        at = answer.find(b"E", at + 1)
    fields = answer[at + 5 :].split(b"\0") if at >= 0 else []
    return next((field[1:].decode() for field in fields if field[:1] == b"C"), "")


# --- people who may come in ------------------------------------------------------------------


@on_both_loops
async def test_psycopg_signs_in_on_a_plain_wire() -> None:
    """With principal, account, target and database as documented."""
    async with open_door() as opened:
        connection = await libpq(opened, user="alice+app", dbname="orders/sales")
        async with connection:
            assert connection.info.parameter_status("server_version") == "18.4"
        (arrival,) = opened.arrivals
        assert arrival.principal.name == "alice"
        assert arrival.request.account == "app"
        assert (arrival.request.target_name, arrival.request.database) == ("orders", "sales")
        assert arrival.source == "127.0.0.1"
        assert arrival.tls is None
        assert arrival.token_id == "alice-0"  # noqa: S105 - an id
        assert opened.door.unauthenticated == 0
        assert opened.events() == []


@on_both_loops
async def test_asyncpg_signs_in() -> None:
    """It asks for client_encoding 'utf-8' with quotes, and is let in."""
    async with open_door() as opened:
        connection = await asyncpg.connect(
            host="127.0.0.1", port=opened.port, user="alice", database="orders", password=TOKEN,
            ssl=False,
        )  # fmt: skip
        assert connection.get_settings().TimeZone == "UTC"
        await connection.close()
        assert opened.arrivals[0].request.client_encoding == "'utf-8'"


@pytest.mark.parametrize("mode", ["prefer", "require", "verify-full"])
@on_both_loops
async def test_psql_signs_in_over_tls(mode: str, leaf: CertificateFiles, tmp_path: Path) -> None:
    """Bound to the channel where libpq is told to insist on it."""
    async with open_door(with_tls(leaf)) as opened:
        code, out, err = await psql(
            opened, sslmode=mode, sslrootcert=str(tmp_path / "ca.pem"), channel_binding="require"
        )
        assert (code, out, err) == (0, "1\n", "")
        tls = opened.arrivals[0].tls
        assert tls is not None
        assert tls.version == "TLSv1.3"


@on_both_loops
async def test_psql_in_the_c_locale_is_answered_in_utf8_and_told() -> None:
    """It asks for SQL_ASCII; the NOTICE comes once it is in."""
    async with open_door() as opened:
        code, out, err = await psql(opened, env={"LC_ALL": "C", "PGCLIENTENCODING": "SQL_ASCII"})
        assert (code, out) == (0, "1\n")
        assert "gatekeep: client encoding SQL_ASCII is answered as UTF8" in err


@on_both_loops
async def test_a_client_that_prefers_tls_meets_a_door_without() -> None:
    """SSLRequest and GSSENCRequest are answered `N`, and it goes on in clear."""
    async with open_door() as opened:
        assert (await psql(opened, sslmode="prefer"))[0] == 0


@on_both_loops
async def test_direct_tls_with_alpn(leaf: CertificateFiles, tmp_path: Path) -> None:
    """The first byte may be TLS itself (`sslnegotiation=direct`)."""
    async with open_door(with_tls(leaf)) as opened:
        connection = await libpq(
            opened, sslmode="verify-full", sslnegotiation="direct",
            sslrootcert=str(tmp_path / "ca.pem"), channel_binding="require",
        )  # fmt: skip
        await connection.close()
        tls = opened.arrivals[0].tls
        assert tls is not None
        assert tls.alpn == "postgresql"


@on_both_loops
async def test_direct_tls_without_alpn_is_refused(leaf: CertificateFiles, tmp_path: Path) -> None:
    """Another protocol's TLS client cannot be led here (cross-protocol attacks)."""
    context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    async with open_door(with_tls(leaf)) as opened:
        reader, writer = await asyncio.open_connection("127.0.0.1", opened.port, ssl=context)
        writer.write(startup("user", "alice"))
        assert state(await reader.read()) == "08P01"
        writer.close()
        assert opened.events() == [("protocol.fault", "direct TLS without ALPN postgresql", 1)]


@on_both_loops
async def test_a_client_of_protocol_3_2_is_negotiated_down() -> None:
    """It gets NegotiateProtocolVersion naming 3.0 and what is not known, then the sign-in."""
    async with open_door() as opened:
        reader, writer = await asyncio.open_connection("127.0.0.1", opened.port)
        writer.write(startup("user", "alice", "_pq_.novel", "1", code=(3 << 16) | 2))
        kind, length = struct.unpack("!cI", await reader.readexactly(5))
        body = await reader.readexactly(length - 4)
        assert (kind, body) == (b"v", struct.pack("!II", 3 << 16, 1) + b"_pq_.novel\0")
        writer.close()


@on_both_loops
async def test_bytes_sent_behind_the_proof_reach_the_session() -> None:
    """A client may pipeline its first statement behind the last step of its sign-in."""
    async with open_door() as opened:
        reader, writer = await asyncio.open_connection("127.0.0.1", opened.port)
        await sign_in(reader, writer, extra=b"Q\0\0\0\x0dselect 1\0X\0\0\0\x04")
        rest = await reader.read()
        writer.close()
        assert rest.startswith(b"R\0\0\0\x08\0\0\0\0")
        assert rest.endswith(b"C\0\0\0\x0dSELECT 1\0Z\0\0\0\x05I")


async def sign_in(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, user: str = "alice",
    token: str = TOKEN, extra: bytes = b"",
) -> None:  # fmt: skip
    """A client by hand, up to its proof; `extra` goes out in the same piece."""

    async def message() -> bytes:
        _, length = struct.unpack("!cI", await reader.readexactly(5))
        return await reader.readexactly(length - 4)

    def response(data: bytes) -> bytes:
        return b"p" + struct.pack("!I", len(data) + 4) + data

    writer.write(startup("user", user))
    assert (await message())[4:] == b"SCRAM-SHA-256\0\0"
    client = ClientExchange(["SCRAM-SHA-256"], nonce=b"c" * 18)
    first = client.first()
    writer.write(response(b"SCRAM-SHA-256\0" + struct.pack("!I", len(first)) + first))
    client.challenge((await message())[4:])
    salted = salted_password(token, client.salt, client.iterations)
    writer.write(response(client.proof(salted)) + extra)
    client.verify((await message())[4:])


# --- people who may not ----------------------------------------------------------------------


@on_both_loops
async def test_every_failed_sign_in_reads_the_same() -> None:
    """A wrong token, an unknown name and a name that cannot be: one text, and events that fold."""
    async with open_door() as opened:
        texts = set()
        for user, password in (("alice", "wrong"), ("mallory", TOKEN), ("Mallory", TOKEN)):
            code, _, err = await psql(opened, user=user, password=password)
            assert code == 2
            texts.add(err.split("FATAL:")[1])
        assert texts == {
            "  gatekeep: sign-in refused\nHINT:  Tokens: gatekeep login, or gatekeep tokens new.\n"
        }
        assert opened.arrivals == []
        assert sorted(opened.events()) == [
            ("auth.failed", "no such name", 1),
            ("auth.failed", "the proof does not fit", 2),
        ]


@on_both_loops
async def test_a_locked_pair_is_refused_even_with_the_right_token() -> None:
    """In the same words; the lock itself is an event."""
    async with open_door() as opened:
        opened.lock_outs.limit = 2
        for password in ("wrong", "wrong", TOKEN):
            with pytest.raises(psycopg.OperationalError, match="sign-in refused"):
                await libpq(opened, password=password)
        assert ("auth.locked", "too many failures", 1) in opened.events()
        assert ("auth.failed", "locked", 1) in opened.events()


@on_both_loops
async def test_tls_is_demanded_where_the_door_requires_it(leaf: CertificateFiles) -> None:
    """A start-up in clear is refused before any name is looked at."""
    async with open_door(with_tls(leaf)) as opened:
        code, _, err = await psql(opened, sslmode="disable")
        assert code == 2
        assert "gatekeep: this door needs TLS" in err
        assert "sslmode=require" in err


@on_both_loops
async def test_a_door_that_prefers_tls_takes_both(leaf: CertificateFiles) -> None:
    """As `make demo` stands."""
    async with open_door(with_tls(leaf, "prefer")) as opened:
        assert (await psql(opened, sslmode="disable"))[0] == 0
        assert (await psql(opened, sslmode="require"))[0] == 0
        assert [arrival.tls is None for arrival in opened.arrivals] == [True, False]


@on_both_loops
async def test_an_edwards_certificate_has_no_end_point_hash(tmp_path: Path) -> None:
    """No binding is defined for it, so -PLUS is not offered and sign-in works without."""
    leaf = Authority(tmp_path).issue("door", edwards=True)
    async with open_door(with_tls(leaf)) as opened:
        assert (await psql(opened, sslmode="require"))[0] == 0


# --- bad input -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "cause"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "the first packet has an impossible length"),
        (b"\0\0\0\0\0\0\0\0", "the first packet has an impossible length"),
        (b"\xff\xff\xff\xff" + b"x" * 100, "the first packet has an impossible length"),
        (struct.pack("!I", 10_001), "the first packet has an impossible length"),
        (GSS_REQUEST + GSS_REQUEST, "bytes behind a request for encryption"),
        (SSL_REQUEST + startup("user", "alice"), "bytes behind a request for encryption"),
        (startup("user", "alice", "user", "bob"), "the start-up packet names a setting twice"),
        (startup("user", "alice") + b"Q\0\0\0\x05\0", "something else in place of a SASL message"),
        (startup("user", "alice") + b"p\xff\xff\xff\xff", "something else in place of a SASL message"),
        (startup("user", "alice") + b"p\0\0\0\x08SCRA", "malformed SASLInitialResponse"),
        (startup("user", "alice") + b"p\0\0\0\x0dPLAIN\0\0\0\0", "malformed SASLInitialResponse"),
        (
            startup("user", "alice") + b"p\0\0\0\x0ePLAIN\0\0\0\0\0",
            "a SASL mechanism that was not offered",
        ),
    ],
)
@on_both_loops
async def test_violations(sent: bytes, cause: str) -> None:
    """Each is answered with 08P01, closed, and an event; the door goes on."""
    async with open_door() as opened:
        assert state(await say(opened, sent)) == "08P01"
        assert opened.events() == [("protocol.fault", cause, 1)]
        assert opened.door.unauthenticated == 0
        await (await libpq(opened)).close()


@on_both_loops
async def test_a_second_request_for_encryption() -> None:
    """Each kind may be asked once."""
    async with open_door() as opened:
        reader, writer = await asyncio.open_connection("127.0.0.1", opened.port)
        for request in (GSS_REQUEST, SSL_REQUEST):
            writer.write(request)
            assert await reader.readexactly(1) == b"N"
        writer.write(SSL_REQUEST)
        assert state(await reader.read()) == "08P01"
        writer.close()
        assert opened.events() == [("protocol.fault", "a second request for encryption", 1)]


@on_both_loops
async def test_bytes_behind_an_ssl_request_are_never_read_as_protected(
    leaf: CertificateFiles,
) -> None:
    """The CVE-2021-23222 class: what came in clear is refused, not handed on after the hand-shake."""
    async with open_door(with_tls(leaf)) as opened:
        assert state(await say(opened, SSL_REQUEST + startup("user", "alice"))) == "08P01"
        assert opened.events() == [("protocol.fault", "bytes behind a request for encryption", 1)]


@on_both_loops
async def test_garbage_in_place_of_a_hand_shake(leaf: CertificateFiles) -> None:
    """An event, and the connection is closed without an answer in clear."""
    async with open_door(with_tls(leaf)) as opened:
        reader, writer = await asyncio.open_connection("127.0.0.1", opened.port)
        writer.write(SSL_REQUEST)
        assert await reader.readexactly(1) == b"S"
        writer.write(b"this is no ClientHello" * 10)
        await reader.read()
        writer.close()
        assert opened.events() == [("protocol.fault", "TLS hand-shake failed", 1)]
        assert await say(opened, b"\x16" + b"no ClientHello either" * 10) is not None
        assert ("protocol.fault", "TLS hand-shake failed", 1) in opened.events()[1:]


@on_both_loops
async def test_an_encryption_request_within_tls(leaf: CertificateFiles, tmp_path: Path) -> None:
    """Is a violation."""
    context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    context.set_alpn_protocols(["postgresql"])
    async with open_door(with_tls(leaf)) as opened:
        reader, writer = await asyncio.open_connection("127.0.0.1", opened.port, ssl=context)
        writer.write(SSL_REQUEST)
        assert state(await reader.read()) == "08P01"
        writer.close()


@on_both_loops
async def test_tls_1_1_is_not_spoken(leaf: CertificateFiles) -> None:
    """The oldest version is 1.2."""
    async with open_door(with_tls(leaf)) as opened:
        with pytest.raises(psycopg.OperationalError):
            await libpq(
                opened, sslmode="require", ssl_min_protocol_version="TLSv1",
                ssl_max_protocol_version="TLSv1.1",
            )  # fmt: skip
        assert opened.arrivals == []


@on_both_loops
async def test_a_message_cut_off_is_a_fault_and_a_probe_is_not() -> None:
    """Half a packet is an event; connecting and leaving (health checks do) is not."""
    async with open_door() as opened:
        await say(opened, end=True)
        assert opened.events() == []
        await say(opened, startup("user", "alice")[:-3], end=True)
        assert opened.events() == [("protocol.fault", "cut off within a message", 1)]


@on_both_loops
async def test_slow_bytes_meet_the_deadline() -> None:
    """Whoever has not signed in by then is closed without a word; it is an event."""
    async with open_door(values(handshake_s=0.05)) as opened:
        assert await say(opened, startup("user", "alice")[:5]) == b""
        assert await say(opened) == b""
        assert opened.events() == [("protocol.fault", "hand-shake too slow", 2)]
        assert opened.door.unauthenticated == 0


@on_both_loops
async def test_a_flood_from_one_address_sheds_its_oldest() -> None:
    """The newest connection always finds room, and the oldest is told why it lost its own."""
    async with open_door(values(per_address=3)) as opened:
        held = [await asyncio.open_connection("127.0.0.1", opened.port) for _ in range(4)]
        assert state(await held[0][0].read()) == "53300"
        await (await libpq(opened)).close()
        assert state(await held[1][0].read()) == "53300"
        assert ("protocol.fault", "too many connections", 2) in opened.events()
        for _, writer in held:
            writer.close()


@on_both_loops
async def test_a_flood_in_the_middle_of_the_start_up() -> None:
    """Connections that wait for a SASL message are shed like the silent ones."""
    async with open_door(values(per_address=2)) as opened:
        first = await asyncio.open_connection("127.0.0.1", opened.port)
        first[1].write(startup("user", "alice"))
        await first[0].readexactly(5)
        others = [await asyncio.open_connection("127.0.0.1", opened.port) for _ in range(2)]
        assert state(await first[0].read()) == "53300"
        for _, writer in [first, *others]:
            writer.close()


# --- cancel ----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["disable", "require"])
@on_both_loops
async def test_ctrl_c_in_plain_psql(mode: str, leaf: CertificateFiles) -> None:
    """Reaches the session by the key that we gave out, whether the wire had TLS or not."""
    running = asyncio.Event()

    async def sleepy(opened: OpenDoor, arrival: Arrival) -> None:
        cancelled = asyncio.Event()

        async def cancel() -> None:
            cancelled.set()

        greet(arrival.wire, PARAMETERS, opened.keys.issue(cancel))
        await arrival.wire.read()
        running.set()
        await cancelled.wait()
        answer = WireMessage("57014", "canceling statement due to user request")
        arrival.wire.write(messages.error_response(answer) + messages.ready_for_query("I"))
        await arrival.wire.read()

    async with open_door(with_tls(leaf, "prefer"), serve=sleepy) as opened:
        process = await asyncio.create_subprocess_exec(
            "psql", "-X", "-c", "select pg_sleep(60)", dsn(opened, sslmode=mode),
            stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
            env={"PATH": os.defpath, "HOME": "/nonexistent"},
        )  # fmt: skip
        await running.wait()
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
        assert "canceling statement due to user request" in err.decode()
        assert opened.cancelled == ["127.0.0.1"]


@on_both_loops
async def test_a_cancel_request_over_tls(leaf: CertificateFiles) -> None:
    """Newer libpq protects it like the connection itself."""
    async with open_door(with_tls(leaf)) as opened:
        connection = await libpq(opened, sslmode="require")
        await connection.cancel_safe()
        await connection.close()
        assert opened.cancelled == ["127.0.0.1", "session"]


@on_both_loops
async def test_a_wrong_key_gets_the_same_answer() -> None:
    """None, and the connection is closed; nothing is cancelled, nothing dialled."""
    async with open_door() as opened:
        connection = await libpq(opened)
        pid = connection.info.backend_pid & 0xFFFFFFFF
        for key in (CancelKey(pid, b"\0\0\0\0"), CancelKey(1, b"x" * 32), CancelKey(0, b"four")):
            assert await say(opened, cancel_request(key)) == b""
        assert opened.cancelled == []
        await connection.close()


@on_both_loops
async def test_a_key_dies_with_its_session() -> None:
    """What was given out opens nothing once the client has left."""
    async with open_door() as opened:
        await (await libpq(opened)).close()
        await opened.over.wait()
        assert len(opened.keys) == 0
