"""Client certificates: whom one names, and whether a session that began with it may go on.

The hand-shake verifies chain, dates and revocation; here they are looked at again, so that neither
a resumed TLS session nor a long one outlives them. Reads the CA's files; opens no sockets.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from gatekeep.errors import SettingsError

PREFIX: Final = "certificate "
_CA_DIGITS: Final = 16
_END: Final = b"-----END X509 CRL-----"


class ClientCertificates:
    """The CAs whose certificates sign clients in, and what they have revoked."""

    def __init__(
        self,
        authorities: Sequence[x509.Certificate],
        lists: Sequence[x509.CertificateRevocationList],
    ) -> None:
        self._authorities = {_short(one): one for one in authorities}
        self._revoked = {
            (short, entry.serial_number)
            for short, authority in self._authorities.items()
            for revocations in lists
            if revocations.issuer == authority.subject
            for entry in revocations
        }

    @classmethod
    def load(cls, authorities: Path, revoked: Path | None) -> ClientCertificates:
        """From PEM files. Raises SettingsError naming the file."""
        try:
            known = x509.load_pem_x509_certificates(authorities.read_bytes())
        except (OSError, ValueError) as error:
            raise _unusable(authorities, "client_ca", error) from error
        lists: list[x509.CertificateRevocationList] = []
        if revoked is not None:
            try:
                parts = revoked.read_bytes().split(_END)[:-1]
                lists = [x509.load_pem_x509_crl(part.lstrip() + _END + b"\n") for part in parts]
            except (OSError, ValueError) as error:
                raise _unusable(revoked, "client_crl", error) from error
            if not lists:
                raise _unusable(revoked, "client_crl", ValueError("it holds no list"))
        return cls(known, lists)

    def demand(self, context: ssl.SSLContext, authorities: Path, revoked: Path | None) -> None:
        """Let a hand-shake ask for a certificate, and verify one that comes.

        Raises SettingsError naming the file.
        """
        context.verify_mode = ssl.CERT_OPTIONAL
        try:
            context.load_verify_locations(authorities)
            if revoked is not None:
                context.load_verify_locations(revoked)
                context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF
        except (OSError, ValueError) as error:
            raise _unusable(authorities, "client_ca", error) from error

    def named(self, der: bytes, now_us: int) -> tuple[str, str]:
        """The name in a certificate and its id; both empty when it signs nobody in.

        The name is the subject's only common name. The id tells issuer, serial number and end.
        """
        try:
            shown = x509.load_der_x509_certificate(der)
            names = shown.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
            (short,) = (key for key, ca in self._authorities.items() if _issued(shown, ca))
            (name,) = (str(one.value) for one in names)
        except (ValueError, UnsupportedAlgorithm):
            return "", ""
        until = int(shown.not_valid_after_utc.timestamp())
        label = f"{PREFIX}{shown.serial_number:x} of {short} until {until}"
        return (name, label) if self.works(label, now_us) else ("", "")

    def works(self, label: str, now_us: int) -> bool:
        """Whether a session that began with the certificate of this id may go on."""
        serial, _, short, _, until = label.removeprefix(PREFIX).split(" ")
        return (
            short in self._authorities
            and (short, int(serial, 16)) not in self._revoked
            and now_us <= int(until) * 1_000_000
        )


def _issued(shown: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        shown.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _short(authority: x509.Certificate) -> str:
    return authority.fingerprint(hashes.SHA256()).hex()[:_CA_DIGITS]


def _unusable(file: Path, key: str, error: Exception) -> SettingsError:
    return SettingsError(
        f"it cannot be used: {error}", file=str(file), key=f"postgres.{key}",
        fix="name a PEM file of your own CA for this door, and of its revocations",
    )  # fmt: skip
