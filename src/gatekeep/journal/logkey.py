"""The log's signing key and its public form (C2SP vkey). Only the archivist loads the private one."""

from __future__ import annotations

import base64
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from gatekeep.errors import SettingsError
from gatekeep.journal.keys import make_keys_dir, read_secret, write_secret

LOG_KEY_NAME = "log.key"
LOG_VKEY_NAME = "log.vkey"
_ED25519_TYPE = b"\x01"
_KEY_ID_BYTES = 4
_PUBLIC_MODE = 0o644
_FIX = "restore the key directory from its backup, or begin a new log with a new origin"


def vkey_of(name: str, public_key: bytes) -> str:
    """The verifier key of an Ed25519 key: `name+hash+base64` (C2SP signed-note, Verifier keys)."""
    typed = _ED25519_TYPE + public_key
    key_id = sha256(name.encode() + b"\n" + typed).digest()[:_KEY_ID_BYTES]
    return f"{name}+{key_id.hex()}+{base64.b64encode(typed).decode('ascii')}"


def ensure_log_key(keys_dir: Path, origin: str) -> str:
    """Make `log.key` and `log.vkey` durably where there are none; return the vkey.

    Raises SettingsError if the vkey there belongs to another origin, or the pair is incomplete.
    """
    private, public = keys_dir / LOG_KEY_NAME, keys_dir / LOG_VKEY_NAME
    if not private.exists() and not public.exists():
        make_keys_dir(keys_dir)
        key = Ed25519PrivateKey.generate()
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_secret(private, pem)
    if not public.exists():
        write_secret(public, f"{_vkey_of_private(private, origin)}\n".encode(), mode=_PUBLIC_MODE)
    vkey = read_vkey(keys_dir)
    if vkey.partition("+")[0] != origin:
        raise SettingsError(
            f"this key belongs to the log {vkey.partition('+')[0]}, not to {origin}",
            file=str(public),
            fix=_FIX,
        )
    return vkey


def read_vkey(keys_dir: Path) -> str:
    """The log's public key. Raises SettingsError if it cannot be read."""
    path = keys_dir / LOG_VKEY_NAME
    try:
        return path.read_text("ascii").strip()
    except (OSError, ValueError) as error:
        raise SettingsError(
            "the log's public key cannot be read", file=str(path), fix=_FIX
        ) from error


def load_log_key(keys_dir: Path) -> Ed25519PrivateKey:
    """The signing key. Called in the archivist's process and nowhere else.

    Raises SettingsError if it is missing, is not an Ed25519 key, or others may read it.
    """
    path = keys_dir / LOG_KEY_NAME
    pem = read_secret(path, fix=_FIX)
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise SettingsError("not a private key", file=str(path), fix=_FIX) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingsError("not an Ed25519 key", file=str(path), fix=_FIX)
    return key


def _vkey_of_private(path: Path, origin: str) -> str:
    public = load_log_key(path.parent).public_key()
    return vkey_of(origin, public.public_bytes(Encoding.Raw, PublicFormat.Raw))
