"""TLS of the door: what SCRAM binds to, and certificates that cannot be used."""

from __future__ import annotations

import hashlib
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from support.certificates import Authority

from gatekeep.errors import SettingsError
from gatekeep.proxies.postgres.tls import end_point_hash, is_loopback, load_door_tls


@pytest.mark.parametrize(
    ("digest", "name"), [(hashes.SHA256(), "sha256"), (hashes.SHA384(), "sha384")]
)
def test_the_hash_is_that_of_the_certificates_signature(
    digest: hashes.HashAlgorithm, name: str, tmp_path: Path
) -> None:
    """RFC 5929 section 4.1."""
    leaf = Authority(tmp_path).issue("door", digest=digest)
    der = ssl.PEM_cert_to_DER_cert(leaf.certificate.read_text())
    assert end_point_hash(der) == hashlib.new(name, der).digest()
    assert load_door_tls(leaf.certificate, leaf.key).binding == end_point_hash(der)


def test_no_hash_no_binding(tmp_path: Path) -> None:
    """An Ed25519 signature has none; neither has garbage."""
    leaf = Authority(tmp_path).issue("door", edwards=True)
    assert load_door_tls(leaf.certificate, leaf.key).binding == b""
    assert end_point_hash(b"garbage") == b""


def test_the_first_certificate_of_a_chain_is_the_doors(tmp_path: Path) -> None:
    """What follows it are its issuers."""
    authority = Authority(tmp_path)
    leaf = authority.issue("door")
    der = ssl.PEM_cert_to_DER_cert(leaf.certificate.read_text())
    leaf.certificate.write_text(leaf.certificate.read_text() + authority.certificate.read_text())
    assert load_door_tls(leaf.certificate, leaf.key).binding == end_point_hash(der)


def test_tickets_are_off(tmp_path: Path) -> None:
    """A resumed session would skip what was checked."""
    leaf = Authority(tmp_path).issue("door")
    context = load_door_tls(leaf.certificate, leaf.key).context
    assert context.num_tickets == 0
    assert context.options & ssl.OP_NO_TICKET
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    """One readable error that names the file."""
    authority = Authority(tmp_path)
    leaf, other = authority.issue("door"), authority.issue("other")
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    for certificate, key in (
        (leaf.certificate, other.key), (leaf.certificate, tmp_path / "none"),
        (empty, leaf.key), (tmp_path / "none", leaf.key),
    ):  # fmt: skip
        with pytest.raises(SettingsError) as error:
            load_door_tls(certificate, key)
        assert str(certificate) in str(error.value)
        assert error.value.fix


def test_loopback() -> None:
    """Where a door without TLS may stand."""
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "127.9.9.9")] == [True] * 4
    assert not any(is_loopback(host) for host in ("0.0.0.0", "::", "192.0.2.1", "gw.example"))  # noqa: S104 - not listened on
