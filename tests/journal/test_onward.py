"""Verifying a journal as it grows: what is new is checked against what is signed, and against before."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.spool_builder import SpoolBuilder, opened_payload

from gatekeep.journal.archive import Archivist
from gatekeep.journal.onward import Known, Onward, verify_onward
from gatekeep.journal.tiles import blob_path, bundle_path, tile_path


class Growing:
    """A journal with an archivist that is told when to work."""

    def __init__(self, path: Path) -> None:
        self.spool = SpoolBuilder(path)
        self.archivist: Archivist = self.spool.archivist()
        self._sessions = 0

    def work(self, statements: int) -> None:
        """One session more, durable."""
        self._sessions += 1
        session = self.spool.session(self._sessions)
        self.spool.append(session, "session.opened", opened_payload())
        self.spool.statements(session, statements)
        self.spool.close(session)
        self.spool.commit()

    def sign(self) -> None:
        """Archive all and sign it."""
        while self.archivist.step(512):
            pass
        self.archivist.sync_cursor()
        self.archivist.checkpoint()

    def look(self, known: Known | None = None) -> Onward:
        """Verify onward."""
        return verify_onward(self.spool.journal, [self.spool.vkey_text], known or Known())

    def damage(self, name: str, at: int = 100) -> None:
        """Change one byte of a file of the log."""
        path = self.spool.journal / "log" / name
        content = bytearray(path.read_bytes())
        content[at] ^= 1
        path.write_bytes(bytes(content))


@pytest.fixture
def journal(tmp_path: Path) -> Growing:
    """Some 600 events, signed, and a few more that are not."""
    growing = Growing(tmp_path / "journal")
    growing.work(300)
    growing.sign()
    growing.work(3)
    return growing


def test_all_of_it_at_first(journal: Growing) -> None:
    """Archive, the bundle that is not whole, and the tail of the spool."""
    found = journal.look()
    assert found.wrong == ()
    assert (found.signed, found.end) == (602, 610)
    assert found.known.events == 512


def test_then_only_what_is_new(journal: Growing) -> None:
    """What is known is not read again: older files may even be gone."""
    known = journal.look().known
    journal.work(300)
    journal.sign()
    for name in (bundle_path(0), blob_path(0), tile_path(0, 0)):
        (journal.spool.journal / "log" / name).unlink()
    found = journal.look(known)
    assert [one for one in found.wrong if "spool" not in one] == []
    assert found.end == journal.spool.n
    assert known.events == 512, "what was handed in is not changed"


@pytest.mark.parametrize("name", [bundle_path(1), blob_path(1), tile_path(0, 1)])
def test_a_changed_byte_is_found(journal: Growing, name: str) -> None:
    """In leaves, payloads and hashes."""
    journal.damage(name)
    assert journal.look().wrong


def test_a_rewritten_past_is_found(journal: Growing, tmp_path: Path) -> None:
    """Another journal, signed with the same key, does not go on from what was known."""
    known = journal.look().known
    other = Growing(tmp_path / "other")
    other.work(400)
    other.sign()
    assert other.look().wrong == ()
    assert any("root signed" in one or "chain" in one for one in other.look(known).wrong)


def test_a_log_that_goes_back_is_found(journal: Growing, tmp_path: Path) -> None:
    """A shorter one was signed later: something was taken away."""
    known = journal.look().known
    other = Growing(tmp_path / "other")
    other.work(20)
    other.sign()
    assert "goes back" in other.look(known).wrong[0]


def test_a_foreign_key_signs_nothing(journal: Growing) -> None:
    """Only the keys that are given count."""
    other = "example.org/gatekeep/other+12345678+AUx3RTR5CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC"
    found = verify_onward(journal.spool.journal, [other], Known())
    assert found.wrong
    assert found.end == 0


def test_nothing_signed_yet(tmp_path: Path) -> None:
    """Without a checkpoint nothing is verified, and that is said."""
    growing = Growing(tmp_path / "journal")
    growing.work(1)
    assert "signed" in growing.look().wrong[0]


def test_a_tail_that_is_cut_is_found(journal: Growing) -> None:
    """The cursor acknowledged events that no segment holds."""
    for segment in (journal.spool.journal / "spool").glob("*.seg"):
        content = segment.read_bytes()
        segment.write_bytes(content[: len(content.rstrip(b"\0")) - 200].ljust(len(content), b"\0"))
    assert journal.look().wrong


def test_what_cannot_be_read_proves_nothing(journal: Growing) -> None:
    """A disk that fails is told apart from a journal that was changed; a file that is gone is not."""
    place = journal.spool.journal / "log" / bundle_path(1)
    content = place.read_bytes()
    place.unlink()
    place.symlink_to("/proc/self/mem")  # which opens, and fails to be read
    found = journal.look()
    assert found.wrong == ()
    assert "error" in found.unread.lower()
    place.unlink()
    place.mkdir()
    assert journal.look().wrong
    place.rmdir()
    assert journal.look().wrong
    place.write_bytes(content)
    assert journal.look().wrong == ()


def test_what_cannot_be_read_hides_nothing_before_it(journal: Growing) -> None:
    """Who changed an event gains nothing by making a later file unreadable."""
    journal.damage(blob_path(0))
    place = journal.spool.journal / "log" / bundle_path(2)
    for one in place.parent.rglob("*"):
        if bundle_path(2) in str(one) and one.is_file():
            one.unlink()
            one.symlink_to("/proc/self/mem")
    found = journal.look()
    assert found.unread
    assert any("blob" in one for one in found.wrong)
