"""The front of the door: real clients get in, strangers do not, Ctrl-C arrives."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import ssl
from pathlib import Path

import asyncpg
import psycopg
import pytest
from support.certificates import Authority, CertificateFiles
from support.door import PARAMETERS, TOKEN, OpenDoor, open_door
from support.door_clients import (
    dsn,
    libpq,
    psql,
    say,
    sign_in,
    startup,
    state,
    with_tls,
)
from support.loops import on_both_loops

from gatekeep.errors import TargetFault
from gatekeep.messages import WireMessage
from gatekeep.protocols.postgres import messages
from gatekeep.protocols.postgres.cancel import CancelKey, cancel_request
from gatekeep.proxies.postgres.front import Arrival, greet


@pytest.fixture
def leaf(tmp_path: Path) -> CertificateFiles:
    """A certificate for loopback, from a CA of this test in `ca.pem`."""
    return Authority(tmp_path).issue("door")


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
async def test_bytes_sent_behind_the_proof_reach_the_session() -> None:
    """A client may pipeline its first statement behind the last step of its sign-in."""
    async with open_door() as opened:
        reader, writer = await asyncio.open_connection("127.0.0.1", opened.port)
        await sign_in(reader, writer, extra=b"Q\0\0\0\x0dselect 1\0X\0\0\0\x04")
        rest = await reader.read()
        writer.close()
        assert rest.startswith(b"R\0\0\0\x08\0\0\0\0")
        assert rest.endswith(b"C\0\0\0\x0dSELECT 1\0Z\0\0\0\x05I")


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


PLUS = ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256")


@pytest.mark.parametrize(
    ("taken", "cause"),
    [
        (PLUS[1:], "the offer of channel binding was hidden from the client"),
        (PLUS, "channel binding differs"),
    ],
    ids=["offer-hidden", "another-certificate"],
)
@on_both_loops
async def test_somebody_between_client_and_door(
    taken: tuple[str, ...], cause: str, leaf: CertificateFiles, tmp_path: Path
) -> None:
    """Who strips the offer of binding, or ends TLS with a certificate of his own, is noticed."""
    trusting = Authority.client_context(tmp_path / "ca.pem")
    async with open_door(with_tls(leaf)) as opened:
        reader, writer = await asyncio.open_connection("127.0.0.1", opened.port, ssl=trusting)
        with pytest.raises(TargetFault):
            await sign_in(reader, writer, offered=PLUS, taken=taken, binding=b"of somebody else")
        writer.close()
        assert opened.events() == [("auth.failed", cause, 1)]
        assert opened.arrivals == []


@on_both_loops
async def test_a_client_that_cannot_bind_says_so_and_is_let_in(
    leaf: CertificateFiles, tmp_path: Path
) -> None:
    """Flag `n`, as drivers without channel binding send it; one that binds rightly, too."""
    trusting = Authority.client_context(tmp_path / "ca.pem")
    der = ssl.PEM_cert_to_DER_cert(leaf.certificate.read_text())
    async with open_door(with_tls(leaf)) as opened:
        for binding in (b"", hashlib.sha256(der).digest()):
            reader, writer = await asyncio.open_connection("127.0.0.1", opened.port, ssl=trusting)
            await sign_in(reader, writer, offered=PLUS, binding=binding, extra=b"X\0\0\0\x04")
            assert (await reader.read()).startswith(b"R\0\0\0\x08\0\0\0\0")
            writer.close()
        assert len(opened.arrivals) == 2


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

        greet(
            arrival.wire,
            PARAMETERS,
            opened.keys.issue(cancel, long=arrival.request.long_cancel_key),
        )
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
