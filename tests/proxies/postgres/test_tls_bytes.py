"""TLS over memory: two ends that talk to each other however their bytes are cut."""

from __future__ import annotations

import random
import ssl
from pathlib import Path

import pytest
from support.certificates import Authority

from gatekeep.proxies.postgres.tls import load_door_tls
from gatekeep.proxies.postgres.tls_bytes import TlsBytes


def two_ends(directory: Path, **pinned: ssl.TLSVersion) -> tuple[TlsBytes, TlsBytes]:
    """A client that trusts the server; nothing is agreed yet."""
    authority = Authority(directory)
    leaf = authority.issue("door")
    trusting = Authority.client_context(authority.certificate)
    for name, version in pinned.items():
        setattr(trusting, name, version)
    client = TlsBytes(trusting, server_side=False, name="127.0.0.1")
    server = TlsBytes(
        load_door_tls(leaf.certificate, leaf.key).context, server_side=True, name=None
    )
    return client, server


def agree(client: TlsBytes, server: TlsBytes, step: int = 1 << 20) -> None:
    """Carry the hand-shake's bytes, so many at once, until both are done."""
    client.shake()
    while client.agreed is None or server.agreed is None:
        for one, other in ((client, server), (server, client)):
            sent = one.outgoing()
            for at in range(0, len(sent), step):
                if other.agreed is None:
                    other.shake(sent[at : at + step])
                else:
                    assert other.decrypt(sent[at : at + step]) == b""


@pytest.mark.parametrize("step", [1, 1000, 1 << 20])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_however_the_bytes_are_cut(step: int, version: ssl.TLSVersion, tmp_path: Path) -> None:
    """Both agree on the same, and what one says the other hears, in order, to the end."""
    client, server = two_ends(tmp_path, maximum_version=version)
    agree(client, server, step)
    assert client.agreed is not None
    assert server.agreed is not None
    assert server.agreed.version == client.agreed.version == version.name.replace("_", ".")
    assert server.agreed.alpn == "postgresql"
    said = random.Random(3).randbytes(40_000)
    sent = client.encrypt(said) + client.farewell()
    heard = b"".join(server.decrypt(sent[at : at + step]) for at in range(0, len(sent), step))
    assert heard == said
    assert server.ended


def test_nothing_is_sent_before_it_is_agreed(tmp_path: Path) -> None:
    """Neither words nor a farewell: they would go out in clear, or break the hand-shake."""
    client, server = two_ends(tmp_path)
    assert server.encrypt(b"too early") == b""
    assert server.farewell() == b""
    assert client.agreed is None


def test_a_failed_hand_shake_leaves_an_alert(tmp_path: Path) -> None:
    """To be sent to the other end, which then knows; and nothing else is sent."""
    client, server = two_ends(tmp_path, maximum_version=ssl.TLSVersion.TLSv1_3)
    with pytest.raises(ssl.SSLError):
        server.shake(b"\x16\x03\x01\x00\x04\x00\x00\x00\x00")
    alert = server.outgoing()
    assert alert[:1] == b"\x15"
    assert server.encrypt(b"words") == b""
    client.shake()
    with pytest.raises(ssl.SSLError):
        client.shake(alert)


def test_a_forged_record(tmp_path: Path) -> None:
    """Ends it: nothing more is read or said."""
    client, server = two_ends(tmp_path)
    agree(client, server)
    record = bytearray(client.encrypt(b"transfer 1 to alice"))
    record[-1] ^= 1
    with pytest.raises(ssl.SSLError):
        server.decrypt(bytes(record))
    assert server.broken
    assert server.encrypt(b"words") == b""
