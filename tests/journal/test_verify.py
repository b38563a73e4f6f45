"""Verification: what is whole is valid; no byte can change and no file can go without being named."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from support.spool_builder import SpoolBuilder, opened_payload

from gatekeep.journal.checkpoint import VerifierKey
from gatekeep.journal.keys import KeyRing
from gatekeep.journal.report import Fault, Report
from gatekeep.journal.unsealing import Unsealer
from gatekeep.journal.verify import Trust, verify
from gatekeep.journal.verify_spool import deleted_line


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> SpoolBuilder:
    """Some 900 events in several segments, several checkpoints, and a tail that is not archived."""
    builder = SpoolBuilder(tmp_path_factory.mktemp("whole") / "journal", segment_bytes=200_000)
    sessions = [builder.session(number) for number in range(1, 5)]
    for session in sessions:
        builder.append(session, "session.opened", opened_payload())
    builder.commit()
    archivist = builder.archivist()
    for session in sessions:
        builder.statements(session, 100)
        archivist.step()
        archivist.checkpoint()
    for session in sessions[:3]:
        builder.close(session)
    builder.commit()
    archivist.step()
    archivist.checkpoint()
    archivist.checkpoint()
    archivist.close()
    builder.statements(sessions[3], 10)
    builder.statements(sessions[3], 1)
    return builder


def copied(built: SpoolBuilder, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(built.journal, tmp_path / "journal"))


def verified(built: SpoolBuilder, journal: Path, *, keys: bool = False) -> Report:
    """Verify with the right public key."""
    unsealer = Unsealer(built.ring, built.keys) if keys else None
    return verify(journal, Trust([built.vkey]), unsealer=unsealer)


def named(report: Report) -> set[str]:
    """Files that findings name."""
    return {finding.file for finding in report.findings}


def test_a_whole_journal_is_valid(built: SpoolBuilder) -> None:
    """Exit 0, every event seen once, the tail counted, and the report says what it rests on."""
    report = verified(built, built.journal)
    assert report.findings == []
    assert report.exit_code == 0
    assert report.leaves == built.n
    assert report.end == built.n
    assert report.states == {"SEALED": built.n}
    assert report.tail == 22
    said = report.as_json()
    assert said["anchors"] == []
    assert "no external anchor" in said["rewrite_window"]
    assert "no external anchor" in report.as_text()


def test_with_keys_every_payload_opens(built: SpoolBuilder) -> None:
    """Commitments are checked too when the key ring is given."""
    report = verified(built, built.journal, keys=True)
    assert (report.exit_code, report.states) == (0, {"OK": built.n})


def test_a_payload_whose_key_is_gone_without_leave_is_incomplete(built: SpoolBuilder) -> None:
    """With keys given, a SEALED event is exit 2: no leaf authorised it."""
    subjects = dict(built.keys.subjects)
    built.keys.subjects.clear()
    try:
        report = verified(built, built.journal, keys=True)
    finally:
        built.keys.subjects.update(subjects)
    assert report.exit_code == 2
    assert {finding.fault for finding in report.findings} == {Fault.SEALED}


def test_another_key_ring_is_a_mismatch(built: SpoolBuilder) -> None:
    """Keys that do not belong to the journal open nothing, and that is said, not passed over."""
    report = verify(
        built.journal, Trust([built.vkey]),
        unsealer=Unsealer(KeyRing(bytes(32)), built.keys),
    )
    assert report.exit_code == 1


def test_an_unknown_key_cannot_decide(built: SpoolBuilder) -> None:
    """Without the log's public key nothing is said to be valid: exit 4."""
    other = VerifierKey(built.vkey.name, b"\0\0\0\0", built.vkey.public)
    report = verify(built.journal, Trust([other]))
    assert report.exit_code == 4
    assert {finding.fault for finding in report.findings} == {Fault.UNDECIDED}


def test_keys_from_the_evidence_itself_are_worth_three(built: SpoolBuilder) -> None:
    """A public key that came with the bundle gives at best exit 3."""
    assert verify(built.journal, Trust([built.vkey], from_evidence=True)).exit_code == 3


def _evidence(built: SpoolBuilder) -> list[Path]:
    return sorted(
        path for path in built.journal.rglob("*")
        if path.is_file() and path.name not in {"archive.lock", "owner"}
    )


def test_no_byte_can_change_unseen(built: SpoolBuilder, tmp_path: Path) -> None:
    """A flipped bit anywhere in archive, checkpoints, cursor or acknowledged spool is named."""
    journal = copied(built, tmp_path)
    lots = random.Random(7)
    segments = sorted(journal.glob("spool/*.seg"))
    end_of_last = len(segments[-1].read_bytes().rstrip(b"\0"))
    for original in _evidence(built):
        relative = original.relative_to(built.journal)
        path = journal / relative
        content = path.read_bytes()
        last = end_of_last if path == segments[-1] else len(content)
        spots = {0, last - 1, *(lots.randrange(last) for _ in range(4))}
        for spot in sorted(spots):
            changed = bytearray(content)
            changed[spot] ^= 1 << lots.randrange(8)
            path.write_bytes(changed)
            report = verified(built, journal)
            assert report.exit_code in {1, 4}, (relative, spot, report.as_text())
            assert relative.as_posix() in named(report), (relative, spot, report.as_text())
        path.write_bytes(content)
    assert verified(built, journal).exit_code == 0


def test_no_file_can_go_unseen(built: SpoolBuilder, tmp_path: Path) -> None:
    """A removed tile, bundle, blob, checkpoint, cursor or segment is incomplete: exit 2."""
    journal = copied(built, tmp_path)
    for original in _evidence(built):
        path = journal / original.relative_to(built.journal)
        content = path.read_bytes()
        path.unlink()
        report = verified(built, journal)
        assert report.exit_code == 2, (path, report.as_text())
        path.write_bytes(content)


def test_a_foreign_file_is_not_passed_over(built: SpoolBuilder, tmp_path: Path) -> None:
    """Whatever the verifier does not know fails."""
    journal = copied(built, tmp_path)
    (journal / "log" / "tile" / "0" / "extra").write_bytes(b"x")
    report = verified(built, journal)
    assert (report.exit_code, named(report)) == (1, {"log/tile/0/extra"})


def test_a_segment_may_go_once_it_is_archived_and_that_is_recorded(
    built: SpoolBuilder, tmp_path: Path
) -> None:
    """A deleted segment is fine if it is in the list and wholly archived; else incomplete."""
    journal = copied(built, tmp_path)
    segments = sorted(journal.glob("spool/*.seg"))
    following = int(segments[1].stem)
    segments[0].unlink()
    listed = journal / "spool" / "deleted"
    listed.write_text(deleted_line(0, following))
    assert verified(built, journal).exit_code == 0
    listed.write_text(deleted_line(0, following).replace(" ", "1 ", 1))
    assert "spool/deleted" in named(verified(built, journal))
    listed.write_text(deleted_line(0, following))
    segments[1].unlink()
    assert verified(built, journal).exit_code == 2


def test_the_log_alone_lacks_the_newest_payloads(built: SpoolBuilder, tmp_path: Path) -> None:
    """Without the spool, payloads after the last whole blob are missing, and the report says so."""
    journal = copied(built, tmp_path)
    report = verified(built, journal / "log")
    assert report.exit_code == 2
    assert {finding.file for finding in report.findings} == {"blob"}


def test_an_unacknowledged_tail_is_no_fault(built: SpoolBuilder, tmp_path: Path) -> None:
    """Bytes of a batch that was never acknowledged are told of, and fail nothing."""
    journal = copied(built, tmp_path)
    last = max(journal.glob("spool/*.seg"))
    content = bytearray(last.read_bytes())
    end = len(content.rstrip(b"\0")) + 8  # an acknowledged batch may itself end in zero bytes
    content[end : end + 60] = b"GKB1" + bytes(range(1, 57))
    last.write_bytes(content)
    report = verified(built, journal)
    assert report.exit_code == 0
    assert any("after the last acknowledged batch" in note for note in report.notes)


def test_an_older_archive_under_newer_signatures_is_a_rollback(
    built: SpoolBuilder, tmp_path: Path
) -> None:
    """Putting an older signed record back is seen: the history is ahead of it."""
    journal = copied(built, tmp_path)
    notes = (journal / "log" / "checkpoints").read_bytes()
    first = notes[: notes.index(b"\n", notes.index("— ".encode())) + 1]
    (journal / "signed").write_bytes(first)
    assert verified(built, journal).exit_code == 1


def test_several_processes_find_the_same(built: SpoolBuilder, tmp_path: Path) -> None:
    """Sharing the work changes nothing in the report."""
    assert verify(built.journal, Trust([built.vkey]), workers=2).as_json() == verified(
        built, built.journal
    ).as_json()
    journal = copied(built, tmp_path)
    (journal / "log" / "tile" / "entries" / "001").unlink()
    report = verify(journal, Trust([built.vkey]), workers=2)
    assert (report.exit_code, named(report)) == (2, {"log/tile/entries/001"})
