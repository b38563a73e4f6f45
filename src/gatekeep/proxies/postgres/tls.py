"""TLS of the Postgres door: its context, when none may do, and the hash SCRAM binds to.

Reads the certificate's files; opens no sockets.
"""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes

from gatekeep.errors import SettingsError
from gatekeep.proxies.postgres.certificates import ClientCertificates

NO_TLS_HERE: Final = b"\x15\x03\x01\x00\x02\x02\x28"
"""The alert `handshake_failure` (RFC 8446 section 6), for who speaks TLS where there is none."""


@dataclass(frozen=True, slots=True)
class DoorTls:
    """A loaded certificate: the context that shows it, and its end-point hash (may be empty).

    `clients` are the certificates that sign clients in; None where only tokens do.
    """

    context: ssl.SSLContext
    binding: bytes
    clients: ClientCertificates | None = None


def end_point_hash(certificate: bytes) -> bytes:
    """`tls-server-end-point` of a DER certificate (RFC 5929 section 4.1).

    Its own signature's hash, SHA-256 in place of MD5 and SHA-1; empty where the signature has no
    single hash (Ed25519), for which no binding is defined.
    """
    try:
        parsed = x509.load_der_x509_certificate(certificate)
        algorithm = parsed.signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm):
        return b""
    if algorithm is None:
        return b""
    if isinstance(algorithm, (hashes.MD5, hashes.SHA1)):
        algorithm = hashes.SHA256()
    return parsed.fingerprint(algorithm)


def load_door_tls(
    certificate: Path, key: Path, client_ca: Path | None = None, client_crl: Path | None = None
) -> DoorTls:
    """The door's TLS from PEM files: 1.2 or newer, no tickets (a resumed session skips checks).

    With `client_ca` clients may show certificates; those in `client_crl` are revoked. Raises
    SettingsError naming the file.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.num_tickets = 0
    context.set_alpn_protocols(["postgresql"])
    try:
        context.load_cert_chain(certificate, key, password=_no_pass_phrase)
        shown = ssl.PEM_cert_to_DER_cert(_first_pem(certificate.read_text()))
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"the door's certificate cannot be used: {error}",
            file=str(certificate),
            key="certificate",
            fix="name a PEM certificate chain and its key, readable and without a pass phrase",
        ) from error
    clients: ClientCertificates | None = None
    if client_ca is None and client_crl is not None:
        raise SettingsError("revocations of no CA", key="postgres.client_crl",
                            fix="name client_ca as well")  # fmt: skip
    if client_ca is not None:
        clients = ClientCertificates.load(client_ca, client_crl)
        clients.demand(context, client_ca, client_crl)
    return DoorTls(context, end_point_hash(shown), clients)


def tls_fault(error: OSError) -> str:
    """A failed hand-shake in words of ours, for an event: nothing in them is the peer's text."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return "client certificate refused"
    return "TLS hand-shake failed"


def is_loopback(host: str) -> bool:
    """Whether a listening address is reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _first_pem(text: str) -> str:
    end = "-----END CERTIFICATE-----"
    begin = text.index("-----BEGIN CERTIFICATE-----")
    return text[begin : text.index(end, begin) + len(end)]


def _no_pass_phrase() -> str:
    raise ValueError("the key has a pass phrase")
