"""The encrypted database: wrong keys, damage, settings, migrations."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import apsw
import pytest

from gatekeep.errors import EvidenceBroken, SettingsError
from gatekeep.stores.sqlite.database import open_database, open_to_read

KEY = bytes(range(32))
SCHEMA = ("CREATE TABLE notes (text TEXT)",)


def filled(path: Path) -> None:
    """A database with one recognisable row."""
    connection = open_database(path, KEY, SCHEMA)
    connection.execute("INSERT INTO notes VALUES ('plainly readable')")
    connection.close()


def test_a_wrong_key_is_said_clearly(tmp_path: Path) -> None:
    """Another key ring than the one that made the file is an error of settings, and nothing changes."""
    path = tmp_path / "state.db"
    filled(path)
    before = path.read_bytes()
    with pytest.raises(SettingsError, match="does not open with this key ring") as caught:
        open_database(path, bytes(32), SCHEMA)
    assert caught.value.fix
    assert path.read_bytes() == before


def test_a_plain_database_is_not_taken(tmp_path: Path) -> None:
    """A file that was never encrypted is not read as if it were ours."""
    path = tmp_path / "state.db"
    plain = apsw.Connection(str(path))
    plain.execute("CREATE TABLE notes (text TEXT)")
    plain.close()
    with pytest.raises(SettingsError):
        open_database(path, KEY, SCHEMA)


def test_several_open_a_new_database_at_once(tmp_path: Path) -> None:
    """Whoever comes first makes it; the others wait for that, and none is told that it is locked."""
    at_once = 6

    def opened(path: Path, together: Barrier) -> None:
        together.wait()
        connection = open_database(path, KEY, SCHEMA, synchronous="NORMAL")
        connection.execute("INSERT INTO notes VALUES ('here')")
        connection.close()

    with ThreadPoolExecutor(at_once) as threads:
        for attempt in range(20):
            path, together = tmp_path / f"index-{attempt}.db", Barrier(at_once)
            each = [threads.submit(opened, path, together) for _ in range(at_once)]
            for one in each:
                one.result()
            connection = open_database(path, KEY, SCHEMA)
            ((found,),) = connection.execute("SELECT count(*) FROM notes").fetchall()
            connection.close()
            assert found == at_once


def test_nothing_is_readable_in_the_files(tmp_path: Path) -> None:
    """Neither the database nor its write-ahead log holds text in clear."""
    path = tmp_path / "state.db"
    connection = open_database(path, KEY, SCHEMA)
    connection.execute("INSERT INTO notes VALUES ('plainly readable')")
    files = list(tmp_path.iterdir())
    assert len(files) == 3
    for file in files:
        assert b"plainly" not in file.read_bytes()
        assert b"notes" not in file.read_bytes()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    connection.close()
    assert b"SQLite format" not in path.read_bytes()


def test_a_changed_byte_is_an_error_and_not_another_value(tmp_path: Path) -> None:
    """Every page is authenticated."""
    path = tmp_path / "state.db"
    filled(path)
    whole = path.read_bytes()
    for offset in range(100, len(whole), 997):
        changed = bytearray(whole)
        changed[offset] ^= 1
        path.write_bytes(changed)
        with pytest.raises((SettingsError, EvidenceBroken, apsw.Error)):
            list(open_database(path, KEY, SCHEMA).execute("SELECT text FROM notes"))


def test_durability_settings(tmp_path: Path) -> None:
    """What cannot be rebuilt is synced at each commit, and deleted rows are overwritten."""
    connection = open_database(tmp_path / "state.db", KEY, SCHEMA)
    shown = {
        name: connection.pragma(name)
        for name in ("journal_mode", "synchronous", "secure_delete", "foreign_keys", "temp_store")
    }
    assert shown == {
        "journal_mode": "wal",
        "synchronous": 2,
        "secure_delete": 1,
        "foreign_keys": 1,
        "temp_store": 2,
    }
    connection.close()


def test_migrations_run_once_and_in_order(tmp_path: Path) -> None:
    """A later version adds its scripts to what is there; an earlier one refuses."""
    path = tmp_path / "state.db"
    filled(path)
    later = (*SCHEMA, "ALTER TABLE notes ADD COLUMN at INTEGER; CREATE TABLE more (x)")
    for _ in range(2):
        connection = open_database(path, KEY, later)
        assert list(connection.execute("SELECT text, at FROM notes")) == [
            ("plainly readable", None)
        ]
        connection.close()
    with pytest.raises(EvidenceBroken, match="newer gatekeep"):
        open_database(path, KEY, SCHEMA)


def test_a_failed_migration_leaves_the_old_schema(tmp_path: Path) -> None:
    """Half a migration never stays."""
    path = tmp_path / "state.db"
    filled(path)
    with pytest.raises(apsw.SQLError):
        open_database(path, KEY, (*SCHEMA, "CREATE TABLE half (x); CREATE TABLE half (x)"))
    connection = open_database(path, KEY, SCHEMA)
    assert list(connection.execute("SELECT name FROM sqlite_schema")) == [("notes",)]
    connection.close()


def test_a_missing_directory_is_a_readable_error(tmp_path: Path) -> None:
    """No traceback of the library for a wrong path."""
    with pytest.raises(SettingsError, match="cannot be opened"):
        open_database(tmp_path / "none" / "state.db", KEY, SCHEMA)


def test_opening_to_read_changes_nothing_and_needs_the_right_version(tmp_path: Path) -> None:
    """It sees what is written meanwhile, cannot write, and refuses what it does not know."""
    path = tmp_path / "state.db"
    writer = open_database(path, KEY, SCHEMA)
    reader = open_to_read(path, KEY, len(SCHEMA))
    writer.execute("INSERT INTO notes (text) VALUES ('later')")
    assert [row[0] for row in reader.execute("SELECT text FROM notes")] == ["later"]
    with pytest.raises(apsw.ReadOnlyError):
        reader.execute("INSERT INTO notes (text) VALUES ('x')")
    with pytest.raises(EvidenceBroken, match="another version"):
        open_to_read(path, KEY, len(SCHEMA) + 1)
    with pytest.raises(SettingsError):
        open_to_read(path, bytes(32), len(SCHEMA))
    with pytest.raises(SettingsError):
        open_to_read(tmp_path / "missing.db", KEY, 1)
    assert not (tmp_path / "missing.db").exists()
    reader.close()
    writer.close()
