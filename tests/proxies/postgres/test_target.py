"""Connecting to targets: real PostgreSQL with TLS, and every method."""

from __future__ import annotations

import asyncio
import ssl
import struct
from pathlib import Path

import asyncpg
import pytest
from support.certificates import Authority
from support.loops import on_both_loops
from support.target_ways import PASSWORD, connector, enter, packet, refused
from support.tls_target import TlsTarget, way

from gatekeep.domain.targets import Account, Target, TargetKind, TargetTls
from gatekeep.protocols.postgres import messages
from gatekeep.protocols.postgres.startup import ssl_request
from gatekeep.proxies.postgres.pump import WireEnd
from gatekeep.proxies.postgres.target import Credential, Dial, TargetLink, way_to
from gatekeep.proxies.postgres.target_tls import ClientCertificate


async def asked(link: TargetLink, text: str) -> list[str]:
    """The first column of a query's rows."""
    link.wire.write(messages.query(text))
    rows: list[str] = []
    while True:
        kind, length = messages.HEADER.unpack(await link.wire.read_exactly(5))
        body = await link.wire.read_exactly(length - 4)
        if kind == ord("D"):
            size = struct.unpack_from("!i", body, 2)[0]
            rows.append(body[6 : 6 + size].decode())
        if kind == ord("Z"):
            return rows


# --- real PostgreSQL -------------------------------------------------------------------------


@pytest.mark.parametrize("tls", list(TargetTls))
@on_both_loops
async def test_scram_under_every_tls_mode(tls: TargetTls, tls_target: TlsTarget) -> None:
    """And -PLUS wherever there is TLS."""
    link = await enter(way(tls_target, tls), "scram_user", bound=tls is not TargetTls.DISABLE)
    assert (link.tls is None) == (tls is TargetTls.DISABLE)
    assert link.server_version >= 150000
    assert link.key is not None
    assert link.parameters["client_encoding"] == "UTF8"
    assert PASSWORD not in repr(link) + repr(Credential("scram_user", PASSWORD))


@pytest.mark.parametrize(
    ("user", "auth"), [("scram_user", "scram"), ("md5_user", "md5"), ("cert_user", "certificate")]
)
@on_both_loops
async def test_a_first_question_goes_out_with_the_proof(
    user: str, auth: str, tls_target: TlsTarget
) -> None:
    """Its answer lies behind the target's welcome, for whoever reads next."""
    dial = way(tls_target, shown=tls_target.clients["cert_user"])
    async with connector() as made:
        link = await made.connect(
            dial, Credential(user, PASSWORD, auth), packet(user),
            messages.query("select 'asked early'"),
        )  # fmt: skip
        assert "client_encoding" in link.parameters
        assert await asked(link, "select 'asked later'") == ["asked early"]
        link.wire.abort()


@on_both_loops
async def test_pins_beat_the_defaults_of_role_and_database(tls_target: TlsTarget) -> None:
    """The role's default is `standard_conforming_strings=off`: the start-up packet wins."""
    async with connector() as made:
        link = await made.connect(
            way(tls_target), Credential("scram_user", PASSWORD),
            packet("scram_user", read_only=True, permitted=[("work_mem", "1MB")]),
        )  # fmt: skip
        assert link.parameters["standard_conforming_strings"] == "on"
        assert link.parameters["application_name"] == "gatekeep/S-TEST"
        for name, value in (
            ("search_path", '"$user", public'), ("row_security", "on"), ("work_mem", "1MB"),
            ("default_transaction_read_only", "on"), ("TimeZone", "UTC"),
        ):  # fmt: skip
            assert await asked(link, f"show {name}") == [value]
        link.wire.abort()


@on_both_loops
async def test_a_man_in_the_middle_with_a_certificate_of_the_same_ca(
    tls_target: TlsTarget, tmp_path: Path
) -> None:
    """Relays every byte and is found out: -PLUS binds the proof to the certificate we saw."""
    middle = Authority(tmp_path).issue("middle")
    shown = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    shown.load_cert_chain(middle.certificate, middle.key)
    blind = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    blind.check_hostname = False
    blind.verify_mode = ssl.CERT_NONE
    loop = asyncio.get_running_loop()

    async def relay(source: WireEnd, sink: WireEnd) -> None:
        while data := await source.read():
            sink.write(data)
        sink.close()

    async def between(client: WireEnd) -> None:
        assert await client.read_exactly(8) == ssl_request()
        client.write(b"S")
        await client.start_tls(shown, server_side=True, name=None, limit_s=10)
        _, server = await loop.create_connection(WireEnd, "127.0.0.1", tls_target.server.port)
        server.write(ssl_request())
        assert await server.read_exactly(1) == b"S"
        await server.start_tls(blind, server_side=False, name=None, limit_s=10)
        await asyncio.gather(relay(client, server), relay(server, client))

    met: asyncio.Queue[WireEnd] = asyncio.Queue()

    def meet() -> WireEnd:
        end = WireEnd()
        met.put_nowait(end)
        return end

    listening = await loop.create_server(meet, "127.0.0.1", 0)
    dial = Dial(
        "orders", "127.0.0.1", listening.sockets[0].getsockname()[1], TargetTls.VERIFY_CA,
        str(tmp_path / "ca.pem"),
    )  # fmt: skip
    connecting = asyncio.ensure_future(refused(dial, "scram_user"))
    await between(await met.get())
    assert "channel binding" in (await connecting).cause
    listening.close()
    await listening.wait_closed()


@on_both_loops
async def test_md5_and_cleartext_only_where_they_are_named(tls_target: TlsTarget) -> None:
    """Cleartext moreover only under verify-full."""
    full = way(tls_target)
    assert (await enter(full, "md5_user", auth="md5")).tls is not None
    assert (await enter(way(tls_target, TargetTls.DISABLE), "md5_user", auth="md5")).tls is None
    assert (await enter(full, "clear_user", auth="password")).tls is not None
    assert "not named" in (await refused(full, "md5_user")).cause
    assert "not named" in (await refused(full, "clear_user")).cause
    assert "not named" in (await refused(full, "clear_user", auth="md5")).cause
    for mode in (TargetTls.DISABLE, TargetTls.REQUIRE, TargetTls.VERIFY_CA):
        fault = await refused(way(tls_target, mode), "clear_user", auth="password")
        assert "verify-full" in fault.cause


@on_both_loops
async def test_trust_is_refused(tls_target: TlsTarget) -> None:
    """Whoever lets the gateway in without a proof may be anybody."""
    for auth in ("scram", "md5", "password"):
        fault = await refused(way(tls_target), "trust_user", auth=auth)
        assert "without a proof" in fault.cause


@on_both_loops
async def test_verification(tls_target: TlsTarget) -> None:
    """A foreign CA, or another name: refused before any password is computed."""
    for mode in (TargetTls.VERIFY_CA, TargetTls.VERIFY_FULL, TargetTls.REQUIRE):
        fault = await refused(way(tls_target, mode, ca=tls_target.other_ca), "scram_user")
        assert "CERTIFICATE_VERIFY_FAILED" in fault.cause
    fault = await refused(way(tls_target, host="localhost"), "scram_user")
    assert "localhost" in fault.cause
    assert (await enter(way(tls_target, TargetTls.VERIFY_CA, host="localhost"), "scram_user")).tls
    assert (await enter(way(tls_target, TargetTls.REQUIRE, ca=""), "scram_user")).tls
    assert await refused(way(tls_target, ca="/nonexistent/ca.pem"), "scram_user")
    # the machine's own CAs do not know it either
    assert await refused(way(tls_target, ca=""), "scram_user")


@on_both_loops
async def test_a_wrong_password_is_told_to_diagnostics_only(tls_target: TlsTarget) -> None:
    """The client reads that the target does not answer; the cause has the SQLSTATE."""
    fault = await refused(way(tls_target), "scram_user", password="wrong")  # noqa: S106 - on purpose
    assert fault.answer is not None
    assert (fault.answer.sqlstate, fault.answer.primary) == (
        "08001", "gatekeep: orders does not answer",
    )  # fmt: skip
    assert fault.answer.detail == ""
    assert fault.cause.startswith("28P01")
    fault = await refused(way(tls_target), "reject_user")
    assert fault.answer is not None
    assert fault.answer.sqlstate == "08001"
    assert "wrong" not in repr(fault)


@on_both_loops
async def test_what_a_proven_target_refuses_is_shown_as_its_words(tls_target: TlsTarget) -> None:
    """A database that is not there, or is closed to this account."""
    fault = await refused(way(tls_target), "scram_user", database="nowhere")
    assert fault.answer is not None
    assert (fault.answer.sqlstate, fault.answer.primary, fault.answer.detail) == (
        "3D000", "gatekeep: orders refused the session",
        'target says: database "nowhere" does not exist',
    )  # fmt: skip
    fault = await refused(way(tls_target), "scram_user", database="closed")
    assert fault.answer is not None
    assert fault.answer.sqlstate == "42501"


@pytest.mark.parametrize("tls", [TargetTls.DISABLE, TargetTls.VERIFY_FULL])
@on_both_loops
async def test_cancel_stops_what_runs(tls: TargetTls, tls_target: TlsTarget) -> None:
    """Over a connection of its own, protected like the first."""
    async with connector() as made:
        link = await made.connect(
            way(tls_target, tls), Credential("scram_user", PASSWORD), packet("scram_user")
        )
        link.wire.write(messages.query("select 'began'; select pg_sleep(60)"))
        said = b""
        # the whole string answers at its end, so ask another connection when it runs
        watcher = await asyncpg.connect(tls_target.server.dsn())
        pid = link.key.pid if link.key is not None else 0
        while not await watcher.fetchval(
            "select true from pg_stat_activity where pid = $1 and wait_event = 'PgSleep'", pid
        ):
            pass
        await watcher.close()
        await made.cancel(link)
        while b"C57014" not in said:
            data = await link.wire.read()
            assert data
            said += data
        link.wire.abort()


def test_a_registered_target_says_how_it_is_reached_and_signed_in_to() -> None:
    """Address, protection and demands are taken from it, secrets from what it refers to."""
    target = Target(
        "orders", TargetKind.POSTGRES, "db.example", 5432, tls=TargetTls.VERIFY_FULL,
        tls_ca="/etc/ca.pem", direct_tls=True, channel_binding=True,
        accounts={
            "app": Account("app", "env:A"),
            "web": Account("web", "", "env:CERTIFICATE", "env:KEY"),
        },
    )  # fmt: skip
    dial, credential = way_to(target, "app", {"env:A": "hunter2"}.__getitem__)
    assert dial == Dial(
        "orders", "db.example", 5432, TargetTls.VERIFY_FULL, "/etc/ca.pem", direct=True
    )
    assert credential == Credential("app", "hunter2", "scram", bound=True)
    dial, credential = way_to(target, "web", lambda reference: f"text of {reference}")
    assert dial.shown == ClientCertificate("text of env:CERTIFICATE", "text of env:KEY")
    assert credential.password == ""
    assert "KEY" not in repr(dial) + repr(credential)


@on_both_loops
async def test_iterations_are_computed_off_the_loop_and_remembered() -> None:
    """A second session costs nothing; another password is another computation."""
    async with connector() as made:
        first = await made.salted("one", b"salt", 20_000)
        assert await made.salted("one", b"salt", 20_000) is first
        assert await made.salted("two", b"salt", 20_000) != first
        for number in range(300):
            await made.salted(str(number), b"salt", 1)
        assert len(made._salted) == 256
