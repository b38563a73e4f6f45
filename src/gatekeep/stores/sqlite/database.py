"""Opens a page-encrypted SQLite database the one way that we trust; what is in it is not known here.

Cipher: ChaCha20-Poly1305 per page (SQLite3 Multiple Ciphers' `chacha20`), because it authenticates
every page, so that a changed byte is an error and not another value; the AES-128/256-CBC schemes
of the same library do not. The key is given raw: it comes from HKDF, there is no password to stretch.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import apsw

from gatekeep.errors import EvidenceBroken, SettingsError

KEY_BYTES: Final = 32

BUSY_MS: Final = 5_000
"""How long one process waits for the other's transaction; all of ours last milliseconds."""

_RETRY_S: Final = 0.005


def open_database(
    path: Path, key: bytes, migrations: Sequence[str], *, synchronous: str = "FULL"
) -> apsw.Connection:
    """A connection to the database at `path`, made (0600) if it is missing, schema up to date.

    `key` has 32 bytes. `migrations` are SQL scripts; `user_version` counts those that ran.
    `synchronous` is FULL for what cannot be rebuilt, NORMAL for what can.

    Raises SettingsError for a wrong key or a file that cannot be opened, EvidenceBroken for a
    database of a newer gatekeep or a damaged one.
    """
    if len(key) != KEY_BYTES:
        raise ValueError("a database key has 32 bytes")
    try:
        _make_private(path)
        connection = apsw.Connection(str(path))
    except (OSError, apsw.CantOpenError, apsw.PermissionsError) as error:
        raise SettingsError(
            "cannot be opened",
            file=str(path),
            fix="check the directory's owner, mode and free space",
        ) from error
    try:
        _unlock(connection, path, key)
        _configure(connection, synchronous)
        _migrate(connection, path, migrations)
    except BaseException:
        connection.close()
        raise
    return connection


def open_to_read(path: Path, key: bytes, version: int) -> apsw.Connection:
    """A connection that cannot write, also while another process does.

    `version` is the number of migrations that its reader knows. Raises SettingsError for a wrong
    key or a file that is missing or cannot be opened, EvidenceBroken for one of another version.
    """
    if len(key) != KEY_BYTES:
        raise ValueError("a database key has 32 bytes")
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    except (OSError, apsw.CantOpenError, apsw.PermissionsError) as error:
        raise SettingsError(
            "cannot be opened",
            file=str(path),
            fix="start the gateway once, or run this as the account that runs it",
        ) from error
    try:
        _unlock(connection, path, key)
        found = int(str(connection.pragma("user_version")))
    except BaseException:
        connection.close()
        raise
    if found != version:
        connection.close()
        raise EvidenceBroken(f"{path} was written by another version of gatekeep")
    return connection


def _make_private(path: Path) -> None:
    """Create the file with mode 0600, durably; SQLite gives `-wal` and `-shm` the same mode."""
    if path.exists():
        return
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _unlock(connection: apsw.Connection, path: Path, key: bytes) -> None:
    connection.set_busy_timeout(BUSY_MS)
    connection.pragma("cipher", "chacha20")
    connection.pragma("key", f"raw:{key.hex()}")
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
    except apsw.NotADBError as error:
        raise SettingsError(
            "does not open with this key ring",
            file=str(path),
            key="keys_dir",
            fix="point keys_dir at the keys that made this state, or restore both from one time",
        ) from error
    except apsw.CorruptError as error:
        raise EvidenceBroken(f"{path} is damaged; it was left as it is") from error


def _configure(connection: apsw.Connection, synchronous: str) -> None:
    _write_ahead(connection)
    connection.pragma("synchronous", synchronous)
    connection.pragma("secure_delete", "ON")
    connection.pragma("foreign_keys", "ON")
    # Sorting must never spill into a file, which would not be encrypted.
    connection.pragma("temp_store", "MEMORY")
    connection.pragma("trusted_schema", "OFF")


def _write_ahead(connection: apsw.Connection) -> None:
    """Switch to the write-ahead log, also beside another connection that does so right now.

    SQLite does not wait here by itself: two that both mean to change the mode would wait for ever.
    """
    deadline = time.monotonic() + BUSY_MS / 1_000
    while True:
        try:
            connection.pragma("journal_mode", "wal")
        except apsw.BusyError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_S)
        else:
            return


def _migrate(connection: apsw.Connection, path: Path, migrations: Sequence[str]) -> None:
    """Run the scripts that are missing, each in a transaction; another process may do so too."""
    version = int(str(connection.pragma("user_version")))
    if version == len(migrations):
        return
    if version > len(migrations):
        raise EvidenceBroken(f"{path} was written by a newer gatekeep; it was left as it is")
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = int(str(connection.pragma("user_version")))
        for script in migrations[version:]:
            connection.execute(script)
        connection.pragma("user_version", len(migrations))
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
