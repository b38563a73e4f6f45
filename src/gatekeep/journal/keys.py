"""The key ring: the key-encryption key, what is derived from it, and wrapped keys.

Keys lie in a directory of their own, outside the data directory. The log's signing key is made
here and loaded by the archivist alone (`logkey`).
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gatekeep.errors import EvidenceBroken, SettingsError
from gatekeep.journal.sealing import KEY_BYTES, NONCE_BYTES
from gatekeep.journal.spool import sync_directory
from gatekeep.runtime.clock import random_bytes

KEK_NAME = "kek"
KEY_ID_BYTES = 16
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class WrappedKeys(Protocol):
    """Where wrapped keys are kept (state.db). Every `put` is durable when it returns."""

    def subject_key(self, person: str) -> bytes | None:
        """The wrapped key of a person, if there is one. Its first 16 bytes are its key id."""

    def subject_key_by_id(self, key_id: bytes) -> bytes | None:
        """The wrapped key that begins with these 16 bytes; None once it was destroyed."""

    def put_subject_key(self, person: str, wrapped: bytes) -> None:
        """Keep a person's wrapped key."""

    def session_key(self, session_id: str) -> bytes | None:
        """The wrapped key of a session, if it was put here (the spool's `extra` has it too)."""

    def put_session_key(self, session_id: str, wrapped: bytes) -> None:
        """Keep a session's wrapped key, exactly as `extra` held it."""


class KeyRing:
    """The key-encryption key in memory, and what it opens."""

    def __init__(self, kek: bytes) -> None:
        if len(kek) != KEY_BYTES:
            raise ValueError("a key-encryption key has 32 bytes")
        self._kek = kek
        self._subjects = AESGCM(self._derive("gatekeep/subject-keys"))
        self._references = AESGCM(self._derive("gatekeep/session-keys"))

    @classmethod
    def open(cls, keys_dir: Path, *, data_dir: Path | None = None, create: bool = False) -> KeyRing:
        """Read `kek`, making directory and key durably if `create` and there is none.

        Raises SettingsError if it is missing or malformed, if others may read it, or if the keys
        would lie inside `data_dir`: one backup would then hold both.
        """
        check_place(keys_dir, data_dir)
        path = keys_dir / KEK_NAME
        if create and not path.exists():
            make_keys_dir(keys_dir)
            write_secret(path, random_bytes(KEY_BYTES).hex().encode() + b"\n")
        return cls(_read_kek(path))

    def state_db_key(self) -> bytes:
        """The page key of `state.db`."""
        return self._derive("gatekeep/state.db")

    def index_db_key(self) -> bytes:
        """The page key of `index.db`."""
        return self._derive("gatekeep/index.db")

    def button_key(self) -> bytes:
        """What seals the values of buttons that are shown in a chat."""
        return self._derive("gatekeep/chat-buttons")

    def new_session_key(
        self, session_id: str, person: str, keys: WrappedKeys
    ) -> tuple[bytes, bytes]:
        """A fresh session key and its wrapped form (the `extra` of the session's first event).

        The person's key is made, durably, if there is none yet. The wrapped form names that key
        by its id, under the ring: without the ring, sessions of one person cannot be linked.
        """
        stored = keys.subject_key(person)
        if stored is None:
            stored = self._new_subject_key()
            keys.put_subject_key(person, stored)
        session_key = random_bytes(KEY_BYTES)
        inner = _wrap(AESGCM(self._open_subject_key(stored)), session_key, f"gk/dek/1|{session_id}")
        outer = stored[:KEY_ID_BYTES] + inner
        return session_key, _wrap(self._references, outer, f"gk/dek-ref/1|{session_id}")

    def open_session_key(self, session_id: str, extra: bytes, keys: WrappedKeys) -> bytes | None:
        """The session key in `extra`, or None if the person's key was destroyed.

        Raises EvidenceBroken if it was not wrapped by this ring for this session.
        """
        outer = _unwrap(self._references, extra, f"gk/dek-ref/1|{session_id}")
        stored = keys.subject_key_by_id(outer[:KEY_ID_BYTES])
        if stored is None:
            return None
        subject = AESGCM(self._open_subject_key(stored))
        return _unwrap(subject, outer[KEY_ID_BYTES:], f"gk/dek/1|{session_id}")

    def _new_subject_key(self) -> bytes:
        key_id = random_bytes(KEY_ID_BYTES)
        return key_id + _wrap(self._subjects, random_bytes(KEY_BYTES), f"gk/kek/1|{key_id.hex()}")

    def _open_subject_key(self, stored: bytes) -> bytes:
        key_id = stored[:KEY_ID_BYTES]
        return _unwrap(self._subjects, stored[KEY_ID_BYTES:], f"gk/kek/1|{key_id.hex()}")

    def _derive(self, info: str) -> bytes:
        return HKDF(SHA256(), KEY_BYTES, salt=None, info=info.encode()).derive(self._kek)


def _wrap(key: AESGCM, secret: bytes, associated: str) -> bytes:
    nonce = random_bytes(NONCE_BYTES)
    return nonce + key.encrypt(nonce, secret, associated.encode())


def _unwrap(key: AESGCM, wrapped: bytes, associated: str) -> bytes:
    try:
        return key.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], associated.encode())
    except (InvalidTag, ValueError) as error:
        raise EvidenceBroken("a wrapped key does not open with this key ring") from error


def check_place(keys_dir: Path, data_dir: Path | None) -> None:
    """Raise SettingsError if the keys would lie inside the data directory, or the reverse."""
    if data_dir is None:
        return
    keys, data = keys_dir.resolve(), data_dir.resolve()
    if keys == data or data in keys.parents or keys in data.parents:
        raise SettingsError(
            "the key directory and the state directory lie one inside the other",
            file=str(keys_dir),
            key="GATEKEEP_KEYS_DIR",
            fix="give keys a directory of their own, so that no one backup holds both",
        )


def make_keys_dir(keys_dir: Path) -> None:
    """Make the directory for its owner only; its name is durable afterwards."""
    if not keys_dir.is_dir():
        keys_dir.mkdir(mode=0o700, parents=True)
        sync_directory(keys_dir.parent)


def write_secret(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Write a new file durably and whole, or not at all. Raises FileExistsError if it is there."""
    fresh = path.with_name(f".{path.name}.{random_bytes(4).hex()}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        os.write(handle, content)
        os.fsync(handle)
        os.link(fresh, path)
    finally:
        os.close(handle)
        fresh.unlink()
    sync_directory(path.parent)


def read_secret(path: Path, *, fix: str) -> bytes:
    """A secret file's content. Raises SettingsError if it is missing or others may read it."""
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & _OTHERS:
                raise SettingsError(
                    "others may read this key", file=str(path), fix=f"chmod 600 {path}"
                )
            return file.read(65_536)
    except OSError as error:
        raise SettingsError(
            f"this key cannot be read: {error.strerror}", file=str(path), fix=fix
        ) from error


def _read_kek(path: Path) -> bytes:
    fix = "restore it from its backup; without it, sealed events stay sealed for ever"
    text = read_secret(path, fix=fix)
    try:
        kek = bytes.fromhex(text.decode("ascii").strip())
    except ValueError:
        kek = b""
    if len(kek) != KEY_BYTES:
        raise SettingsError("not 32 bytes in hex", file=str(path), fix=fix)
    return kek
