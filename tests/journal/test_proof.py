"""Single events proven from one small file."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.spool_builder import SpoolBuilder, opened_payload

from gatekeep.errors import EvidenceBroken
from gatekeep.journal.checkpoint import UnknownKey, VerifierKey
from gatekeep.journal.encoding import parse_leaf
from gatekeep.journal.proof import check, prove
from gatekeep.journal.pruning import deletable_segments, delete_segment
from gatekeep.journal.verify import Trust, verify


@pytest.fixture
def builder(tmp_path: Path) -> SpoolBuilder:
    """An archived journal of several segments."""
    made = SpoolBuilder(tmp_path / "journal", segment_bytes=150_000)
    session = made.session(1)
    made.append(session, "session.opened", opened_payload())
    made.statements(session, 400)
    archivist = made.archivist()
    while archivist.step():
        pass
    archivist.checkpoint()
    archivist.checkpoint()
    archivist.close()
    return made


def test_a_proof_shows_its_event_and_nothing_else(builder: SpoolBuilder) -> None:
    """First, last and middle events prove; a changed byte proves nothing."""
    log = builder.journal / "log"
    for n in (0, 255, 256, 511, builder.n - 1):
        proven = check(prove(log, n, [builder.vkey]), [builder.vkey])
        assert proven.n == parse_leaf(proven.leaf)["n"] == n
    proof = prove(log, 300, [builder.vkey])
    for place in range(0, len(proof), 7):
        changed = bytearray(proof)
        changed[place] ^= 2
        with pytest.raises(EvidenceBroken):
            check(bytes(changed), [builder.vkey])


def test_a_proof_needs_the_log_s_own_key(builder: SpoolBuilder) -> None:
    """Another key cannot decide; an event beyond the checkpoint cannot be proven."""
    proof = prove(builder.journal / "log", 3, [builder.vkey])
    with pytest.raises(UnknownKey):
        check(proof, [VerifierKey("other", b"1234", builder.vkey.public)])
    with pytest.raises(LookupError):
        prove(builder.journal / "log", builder.n, [builder.vkey])


def test_archived_segments_may_go_and_the_journal_stays_valid(builder: SpoolBuilder) -> None:
    """Only old segments, wholly archived and read back equal; the deletion is recorded."""
    assert list(deletable_segments(builder.journal, older_than_ns=2**62)) == []  # no `open` yet
    (builder.spool / "open").write_bytes(
        b'{"format":1,"n":%d,"sessions":{},"actions":[]}' % builder.n
    )
    assert list(deletable_segments(builder.journal, older_than_ns=0)) == []
    found = list(deletable_segments(builder.journal, older_than_ns=2**62))
    assert found
    for segment in found:
        delete_segment(builder.journal, *segment)
    report = verify(builder.journal, Trust([builder.vkey]))
    assert report.exit_code == 0, report.as_text()
    archivist = builder.archivist()
    archivist.close()


def test_a_segment_that_differs_from_its_archive_is_not_removed(builder: SpoolBuilder) -> None:
    """The archive is read back before anything goes; a difference is broken evidence."""
    (builder.spool / "open").write_bytes(
        b'{"format":1,"n":%d,"sessions":{},"actions":[]}' % builder.n
    )
    blob = builder.journal / "log" / "blob" / "000"
    content = bytearray(blob.read_bytes())
    content[900] ^= 1
    blob.write_bytes(content)
    with pytest.raises(EvidenceBroken):
        list(deletable_segments(builder.journal, older_than_ns=2**62))
