"""Certificates for tests: a CA of one's own, and leaves for loopback, written to a directory."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

_BEGINS = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
_ENDS = dt.datetime(2120, 1, 1, tzinfo=dt.UTC)

Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """PEM files of one certificate and its key."""

    certificate: Path
    key: Path


class Authority:
    """A CA whose certificate is `ca.pem` in `directory`; `lives` from and to, seen from now."""

    def __init__(
        self, directory: Path, name: str = "ca",
        lives: tuple[dt.timedelta, dt.timedelta] | None = None,
    ) -> None:  # fmt: skip
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = directory / f"{name}.pem"
        now = dt.datetime.now(dt.UTC)  # noqa: TID251 - its dates are seen from now
        begins, ends = (now + lives[0], now + lives[1]) if lives else (_BEGINS, _ENDS)
        made = _built(
            self._name, self._name, self._key, self._key, authority=True, begins=begins, ends=ends
        )
        self.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))

    @staticmethod
    def client_context(ca: Path, alpn: str = "postgresql") -> ssl.SSLContext:
        """What a client that trusts this CA brings along; no ALPN if that is empty."""
        context = ssl.create_default_context(cafile=str(ca))
        if alpn:
            context.set_alpn_protocols([alpn])
        return context

    def issue(
        self, name: str, *, hosts: tuple[str, ...] = ("127.0.0.1", "localhost"),
        digest: hashes.HashAlgorithm | None = None, edwards: bool = False, ends: dt.datetime = _ENDS,
        file: str = "",
    ) -> CertificateFiles:  # fmt: skip
        """A leaf for these hosts; `digest` signs it (SHA-256), `edwards` makes it self-signed.

        `file` is what it is stored under, in place of its name.
        """
        key: Key = (
            ed25519.Ed25519PrivateKey.generate() if edwards
            else ec.generate_private_key(ec.SECP256R1())
        )  # fmt: skip
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        signer: Key = key if edwards else self._key
        issuer = subject if edwards else self._name
        made = _built(subject, issuer, key, signer, hosts=hosts, digest=digest, ends=ends)
        place = str(self._directory / (file or name))
        files = CertificateFiles(Path(f"{place}.pem"), Path(f"{place}.key"))
        files.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        files.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        files.key.chmod(0o600)
        return files


    def revoke(self, *files: CertificateFiles) -> Path:
        """The CA's list of revoked certificates, these ones, in `ca.crl`."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._name)
            .last_update(_BEGINS)
            .next_update(_ENDS)
        )
        for one in files:
            leaf = x509.load_pem_x509_certificate(one.certificate.read_bytes())
            entry = x509.RevokedCertificateBuilder().serial_number(leaf.serial_number)
            builder = builder.add_revoked_certificate(entry.revocation_date(_BEGINS).build())
        path = self.certificate.with_suffix(".crl")
        made = builder.sign(self._key, hashes.SHA256())
        path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        return path


def _built(
    subject: x509.Name,
    issuer: x509.Name,
    key: Key,
    signer: Key,
    *,
    hosts: tuple[str, ...] = (),
    digest: hashes.HashAlgorithm | None = None,
    authority: bool = False,
    begins: dt.datetime = _BEGINS,
    ends: dt.datetime = _ENDS,
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if hosts:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False
        )
    edwards = isinstance(signer, ed25519.Ed25519PrivateKey)
    return builder.sign(signer, None if edwards else digest or hashes.SHA256())


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
