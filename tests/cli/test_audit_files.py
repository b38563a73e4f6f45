"""`audit verify`, `prove`, `check` and `rebuild-index` on files: their words and exit codes."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from support.spool_builder import ORIGIN, SpoolBuilder, opened_payload

from gatekeep.cli.audit_files import (
    check_command,
    prove_command,
    rebuild_index_command,
    verify_command,
)
from gatekeep.cli.output import Format
from gatekeep.journal.keys import KeyRing
from gatekeep.journal.logkey import ensure_log_key, load_log_key
from gatekeep.runtime.clock import SystemClock
from gatekeep.stores.sqlite.state import StateStore


@pytest.fixture
def place(tmp_path: Path) -> tuple[Path, Path]:
    """A state directory with an archived journal, and its key directory."""
    state, keys = tmp_path / "state", tmp_path / "keys"
    state.mkdir()
    ring = KeyRing.open(keys, create=True)
    ensure_log_key(keys, ORIGIN)
    store = StateStore.open(state / "state.db", ring.state_db_key(), SystemClock())
    builder = SpoolBuilder(state / "journal")
    builder.ring, builder.signing_key = ring, load_log_key(keys)
    builder.keys = store  # type: ignore[assignment] # both are WrappedKeys
    session = builder.session(1)
    builder.append(session, "session.opened", opened_payload())
    builder.statements(session, 200)
    archivist = builder.archivist()
    while archivist.step():
        pass
    archivist.checkpoint()
    archivist.close()
    store.close()
    return state, keys


def test_a_state_directory_verifies_with_its_keys(
    place: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 0, payloads opened, one JSON document."""
    state, keys = place
    assert verify_command(state, keys=keys, output=Format.JSON) == 0
    report = orjson.loads(capsys.readouterr().out)
    assert (report["exit"], report["states"]) == (0, {"OK": 401})


def test_a_changed_byte_is_exit_1_and_named(
    place: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """The report names the file."""
    state, keys = place
    path = state / "journal" / "log" / "tile" / "entries" / "000"
    content = bytearray(path.read_bytes())
    content[700] ^= 4
    path.write_bytes(content)
    assert verify_command(state, keys=keys) == 1
    assert "log/tile/entries/000" in capsys.readouterr().out


def test_without_a_key_it_is_usage(place: tuple[Path, Path], tmp_path: Path) -> None:
    """A journal and nothing to trust: exit 64."""
    assert verify_command(place[0] / "journal", keys=tmp_path) == 64
    assert verify_command(place[0] / "journal", vkey=["nonsense"], keys=tmp_path) == 64


def test_keys_inside_the_evidence_are_worth_three(place: tuple[Path, Path]) -> None:
    """A vkey that lies in the journal itself came with it."""
    state, keys = place
    inside = state / "journal" / "log.vkey"
    inside.write_bytes((keys / "log.vkey").read_bytes())
    assert verify_command(state / "journal", vkey=[str(inside)], sealed=True) == 3


def test_prove_and_check(
    place: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A proof written by one command checks with the other, and only whole."""
    state, keys = place
    proof = tmp_path / "event.tlog-proof"
    assert prove_command(17, state, keys=keys, out=proof) == 0
    assert check_command(proof, keys=keys) == 0
    assert "event 17" in capsys.readouterr().out
    proof.write_bytes(proof.read_bytes().replace(b"index 17", b"index 18"))
    assert check_command(proof, keys=keys) == 1
    assert prove_command(9999, state, keys=keys) == 2


def test_the_index_is_made_anew(place: tuple[Path, Path]) -> None:
    """One command, from the journal alone."""
    state, keys = place
    assert rebuild_index_command(state, keys=keys) == 0
    assert (state / "index.db").stat().st_size > 0
    assert rebuild_index_command(state / "journal", keys=keys) == 0
