"""Client certificates and CAs as PEM texts: whether the gateway can use them, and until when.

Looks at texts and at the mode of files; opens no connection. No error here ever holds a key.
"""

from __future__ import annotations

import datetime as dt
import os
import stat
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from gatekeep.errors import SettingsError

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_OF_ROOT: Final = stat.S_IWGRP | stat.S_IXGRP | stat.S_IRWXO

_NEEDS_PEM: Final = "give the PEM text of the certificate, with its chain behind it"
_NEEDS_KEY: Final = "give the key's PEM text, without a pass phrase"


def certificates_of(text: str) -> list[x509.Certificate]:
    """The certificates of a PEM text, in order; none when it holds none that can be read."""
    try:
        return x509.load_pem_x509_certificates(text.encode())
    except ValueError:
        return []


def ends_at(text: str) -> dt.datetime | None:
    """When the first of a text's certificates to end does so, UTC; None without certificates."""
    return min((one.not_valid_after_utc for one in certificates_of(text)), default=None)


def demand_pair(certificate: str, key: str, *, file: str, place: str) -> None:
    """Raises SettingsError, named by `place` in `file`, unless this key is the certificate's."""
    found = certificates_of(certificate)
    if not found:
        raise SettingsError(
            "holds no certificate", file=file, key=f"{place}.certificate", fix=_NEEDS_PEM
        )
    public = _public_key(key)
    if public is None:
        raise SettingsError(
            "holds no key that can be read", file=file, key=f"{place}.key", fix=_NEEDS_KEY
        )
    if _bytes_of(public) != _bytes_of(found[0].public_key()):
        raise SettingsError(
            "is not the key of the certificate", file=file, key=f"{place}.key",
            fix="the certificate of the key comes first in its file, the chain behind it",
        )  # fmt: skip


def exposed_key(reference: str) -> str:
    """The path of a `file:` reference to a key that others may read; empty if none may.

    As libpq: only its owner, and the group where root owns it.
    """
    scheme, _, place = reference.partition(":")
    if scheme != "file":
        return ""
    try:
        found = Path(place).stat()
    except OSError:
        return ""
    of_root = found.st_uid == 0 and os.geteuid() != 0
    return place if found.st_mode & (_OTHERS_OF_ROOT if of_root else _OTHERS) else ""


def _public_key(text: str) -> PublicKeyTypes | None:
    try:
        return serialization.load_pem_private_key(text.encode(), None).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None


def _bytes_of(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
