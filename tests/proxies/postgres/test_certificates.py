"""Client certificates at the door: whom they let in, whom not, and for how long."""

from __future__ import annotations

import asyncio
import datetime as dt
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from support.certificates import Authority, CertificateFiles
from support.door import TOKEN, OpenDoor, People, open_door
from support.door_clients import SSL_REQUEST, libpq, startup, state, with_tls
from support.loops import on_both_loops

from gatekeep.errors import SettingsError
from gatekeep.proxies.postgres.certificates import PREFIX, ClientCertificates
from gatekeep.proxies.postgres.listener import DoorValues
from gatekeep.proxies.postgres.tls import load_door_tls

LAST_YEAR = dt.datetime(2021, 1, 1, tzinfo=dt.UTC)


@dataclass
class Kit:
    """A door's certificate, and a CA of its own for its clients."""

    door: CertificateFiles
    clients: Authority
    crl: Path
    trust: Path

    def values(self, **changes: object) -> DoorValues:
        """A door that takes certificates of that CA."""
        own = self.clients.certificate
        return with_tls(self.door, client_ca=own, client_crl=self.crl, **changes)


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    """Nothing is revoked yet."""
    clients = Authority(tmp_path, "clients")
    return Kit(Authority(tmp_path).issue("door"), clients, clients.revoke(), tmp_path / "ca.pem")


async def show(
    opened: OpenDoor, shown: CertificateFiles, **more: str
) -> psycopg.AsyncConnection[tuple[object, ...]]:
    """Come with a certificate and without a token."""
    key = {"sslcert": str(shown.certificate), "sslkey": str(shown.key)}
    return await libpq(opened, sslmode="require", password="", **key, **more)


@pytest.mark.parametrize("negotiation", ["postgres", "direct"])
@on_both_loops
async def test_a_certificate_signs_in_the_principal_that_it_names(
    negotiation: str, kit: Kit
) -> None:
    """No token is asked for, in either way to begin TLS and in protocol 3.2 as well."""
    async with open_door(kit.values()) as opened:
        alice = kit.clients.issue("alice")
        connection = await show(
            opened, alice, sslnegotiation=negotiation, max_protocol_version="latest"
        )
        await connection.close()
        (arrival,) = opened.arrivals
        assert arrival.principal.name == "alice"
        assert arrival.token_id.startswith(PREFIX)
        assert opened.door.certificate_works(arrival.token_id)
        assert opened.events() == []


@on_both_loops
async def test_who_shows_none_has_a_token(kit: Kit) -> None:
    """The certificate is one way in, not the only one."""
    async with open_door(kit.values()) as opened:
        connection = await libpq(opened, sslmode="require", channel_binding="require")
        await connection.close()
        assert not opened.arrivals[0].token_id.startswith(PREFIX)


@on_both_loops
async def test_a_certificate_is_nobody_else(kit: Kit) -> None:
    """Another principal, one that there is not, and the right token beside it: 28000 and an event."""
    people = People(alice=TOKEN, bob=TOKEN)
    async with open_door(kit.values(), people=people) as opened:
        alice, mallory = kit.clients.issue("alice"), kit.clients.issue("mallory")
        for shown, user in ((alice, "bob"), (mallory, "mallory"), (mallory, "alice")):
            with pytest.raises(psycopg.OperationalError, match="not this principal's"):
                await show(opened, shown, user=user)
            with pytest.raises(psycopg.OperationalError, match="not this principal's"):
                await libpq(
                    opened, user=user, sslmode="require",
                    sslcert=str(shown.certificate), sslkey=str(shown.key),
                )  # fmt: skip
        assert opened.arrivals == []
        cause = "the certificate is not this principal's"
        assert opened.events() == [("auth.failed", cause, 6)]


@on_both_loops
async def test_certificates_that_are_refused_in_the_words_of_tls(kit: Kit, tmp_path: Path) -> None:
    """Of another CA, expired, revoked: the client learns which, and each is an event."""
    foreign = Authority(tmp_path, "foreign").issue("foreigner")
    expired = kit.clients.issue("late", ends=LAST_YEAR)
    revoked = kit.clients.issue("alice")
    kit.clients.revoke(revoked)
    async with open_door(kit.values()) as opened:
        for shown, said in (
            (foreign, "unknown ca"), (revoked, "certificate revoked"),
            (expired, "certificate expired"),
        ):  # fmt: skip
            with pytest.raises(psycopg.OperationalError, match=said):
                await show(opened, shown)
        assert opened.arrivals == []
        assert opened.events() == [("protocol.fault", "client certificate refused", 3)]


@on_both_loops
async def test_a_certificate_cannot_be_locked_out(kit: Kit) -> None:
    """Others who guess at the name from the same network do not close its door."""
    async with open_door(kit.values()) as opened:
        opened.lock_outs.failures["alice", "127.0.0.1"] = 99
        await (await show(opened, kit.clients.issue("alice"))).close()


@on_both_loops
async def test_a_revocation_ends_what_began_before_it(kit: Kit) -> None:
    """After a reload: the running session's certificate works no more, nor does a new sign-in."""
    async with open_door(kit.values()) as opened:
        alice, other = kit.clients.issue("alice"), kit.clients.issue("other")
        await (await show(opened, alice)).close()
        label = opened.arrivals[0].token_id
        kit.clients.revoke(other)
        opened.door.reload_tls()
        assert opened.door.certificate_works(label)
        kit.clients.revoke(other, alice)
        opened.door.reload_tls()
        assert not opened.door.certificate_works(label)
        with pytest.raises(psycopg.OperationalError, match="certificate revoked"):
            await show(opened, alice)


@on_both_loops
async def test_a_session_of_tls_cannot_be_resumed_after_the_certificate(kit: Kit) -> None:
    """TLS 1.2 lets a client ask for its old session, unverified: we look again, and a reload forgets."""
    alice = kit.clients.issue("alice")
    context = ssl.create_default_context(cafile=str(kit.trust))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(alice.certificate, alice.key)
    async with open_door(kit.values()) as opened:
        session, said = await asyncio.to_thread(_resume, opened.port, context, None)
        assert said[:1] == b"R"
        opened.clock.now_ns = 10**9 * 10**10  # long after its end, by the gateway's time
        _, said = await asyncio.to_thread(_resume, opened.port, context, session)
        assert state(said) == "28000"
        kit.clients.revoke(alice)
        opened.door.reload_tls()
        with pytest.raises(ssl.SSLError, match="revoked"):
            await asyncio.to_thread(_resume, opened.port, context, session)


def _resume(
    port: int, context: ssl.SSLContext, session: ssl.SSLSession | None
) -> tuple[ssl.SSLSession | None, bytes]:
    """A blocking client that asks for its old session: the new one, and the first bytes it hears."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        plain.sendall(SSL_REQUEST)
        assert plain.recv(1) == b"S"
        with context.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as wire:
            wire.sendall(startup("user", "alice"))
            return wire.session, wire.recv(4096)


def test_what_is_not_issued_directly_names_nobody(tmp_path: Path) -> None:
    """Nor does garbage, nor a certificate without exactly one common name."""
    clients = Authority(tmp_path, "clients")
    known = ClientCertificates.load(clients.certificate, None)
    leaf = clients.issue("alice")
    der = ssl.PEM_cert_to_DER_cert(leaf.certificate.read_text())
    name, label = known.named(der, 0)
    assert name == "alice"
    assert known.works(label, 0)
    other = ClientCertificates.load(Authority(tmp_path, "other").certificate, None)
    assert other.named(der, 0) == ("", "")
    assert not other.works(label, 0)
    assert known.named(b"garbage", 0) == ("", "")
    assert known.named(der, 2**62) == ("", "")


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    """One readable error that names the file and the key."""
    door = Authority(tmp_path).issue("door")
    clients = Authority(tmp_path, "clients")
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    for ca, crl in (
        (empty, None), (tmp_path / "none", None), (clients.certificate, empty),
        (clients.certificate, tmp_path / "none"), (None, clients.revoke()),
    ):  # fmt: skip
        with pytest.raises(SettingsError) as error:
            load_door_tls(door.certificate, door.key, ca, crl)
        assert error.value.fix
        assert "client_c" in str(error.value)


@on_both_loops
async def test_client_certificates_need_tls(kit: Kit) -> None:
    """A door without it that names a CA for them does not stand."""
    with pytest.raises(SettingsError, match="need TLS"):
        async with open_door(DoorValues(port=0, tls="off", client_ca=kit.clients.certificate)):
            pass
