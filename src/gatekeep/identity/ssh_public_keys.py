"""SSH public keys as one-line texts, in principals.yaml and targets.yaml: whether they are any.

No private key is ever read here.
"""

from __future__ import annotations

import base64
import binascii
from hashlib import sha256
from pathlib import Path
from typing import Final

import asyncssh

from gatekeep.errors import SettingsError

MIN_RSA_BITS: Final = 2048

KEY_TYPES: Final = frozenset(
    {
        "ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521", "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com",
    }
)  # fmt: skip

_FIX: Final = "give one line as in a .pub file: ssh-ed25519 AAAA… comment"


def public_key_bytes(line: str, *, file: str = "", key: str = "") -> bytes:
    """The wire form of a key that is written as `type base64 comment`.

    Raises SettingsError, named by `key` in `file`, for what is no such line or too weak.
    """
    kind, _, rest = line.strip().partition(" ")
    if kind not in KEY_TYPES:
        fault = "begins with no kind of SSH public key that is taken"
        raise SettingsError(fault, file=file, key=key, fix=_FIX)
    encoded = rest.strip().partition(" ")[0]
    try:
        found = base64.b64decode(encoded, validate=True)
        imported = asyncssh.import_public_key(f"{kind} {encoded}")
    except (binascii.Error, ValueError, asyncssh.KeyImportError):
        raise SettingsError(
            "is no SSH public key that can be read", file=file, key=key, fix=_FIX
        ) from None
    if imported.public_data != found:
        raise SettingsError("holds another kind of key", file=file, key=key, fix=_FIX)
    if kind == "ssh-rsa" and _modulus_bits(found) < MIN_RSA_BITS:
        raise SettingsError(
            f"is an RSA key of less than {MIN_RSA_BITS} bits",
            file=file,
            key=key,
            fix="make a better one with: ssh-keygen -t ed25519",
        )
    return found


def read_authorities(path: Path | None, *, key: str = "ssh.user_ca") -> tuple[str, ...]:
    """The CAs of a file, one public key a line as in .pub files; none without a file.

    Raises SettingsError, named by the setting, for a file that holds none, or anything else.
    """
    if path is None:
        return ()
    fix = "one CA a line, as ssh-keygen wrote it into its .pub file"
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise SettingsError("cannot be read", file=str(path), key=key, fix=fix) from None
    found: list[str] = []
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.lstrip().startswith("#"):
            public_key_bytes(line, file=str(path), key=f"line {number}")
            found.append(" ".join(line.split()[:2]))
    if not found:
        raise SettingsError("holds no CA", file=str(path), key=key, fix=fix)
    return tuple(found)


class CertificateAuthorities:
    """The CAs of `ssh.user_ca` as they count now: `lines` as in .pub files, one each."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.lines: tuple[str, ...] = ()
        self._fingerprints: frozenset[str] = frozenset()
        self.reload()

    def reload(self) -> None:
        """Read the file again. Raises SettingsError; those that counted before count on then."""
        lines = read_authorities(self._path)
        keys = (public_key_bytes(line, file=str(self._path), key="ssh.user_ca") for line in lines)
        self._fingerprints = frozenset(key_fingerprint(key) for key in keys)
        self.lines = lines

    def knows(self, fingerprint: str) -> bool:
        """Whether certificates of this CA sign in."""
        return fingerprint in self._fingerprints


def key_fingerprint(key: bytes) -> str:
    """`SHA256:…` of a key's wire form, as ssh-keygen -l prints it."""
    return "SHA256:" + base64.b64encode(sha256(key).digest()).decode("ascii").rstrip("=")


def _modulus_bits(key: bytes) -> int:
    """Of the wire form `string type, mpint e, mpint n` (RFC 4253 section 6.6)."""
    start, length = 0, 0
    for _ in range(3):
        start += length
        length = int.from_bytes(key[start : start + 4], "big")
        start += 4
    return int.from_bytes(key[start : start + length], "big").bit_length()
