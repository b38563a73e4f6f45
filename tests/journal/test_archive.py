"""The archivist: what was durable becomes tiles, bundles, blobs and checkpoints, whatever interrupts it."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from support.spool_builder import ORIGIN, SpoolBuilder, opened_payload, session_id_of

from gatekeep.errors import EvidenceBroken, JournalUnavailable
from gatekeep.journal import staging
from gatekeep.journal.archive import Archivist, signed_checkpoint
from gatekeep.journal.checkpoint import open_checkpoint, split_notes
from gatekeep.journal.encoding import iterate_records, leaf_hash
from gatekeep.journal.spool import SpoolReader
from gatekeep.journal.tree import fold
from gatekeep.journal.verify import Trust, verify


def begun(path: Path) -> SpoolBuilder:
    """A spool with two sessions of statements."""
    builder = SpoolBuilder(path / "journal", segment_bytes=200_000)
    for number in (1, 2):
        session = builder.session(number)
        builder.append(session, "session.opened", opened_payload())
        builder.statements(session, 150)
        builder.close(session)
    builder.commit()
    return builder


def leaves(builder: SpoolBuilder) -> list[bytes]:
    """All leaves of the spool."""
    reader = SpoolReader.at_start(builder.spool)
    found: list[bytes] = []
    while (batch := reader.next_valid()) is not None:
        found += [record.leaf for record in iterate_records(batch.body)]
    reader.close()
    return found


def run_out(archivist: Archivist) -> None:
    """Archive all there is, and sign."""
    while archivist.step():
        pass
    archivist.checkpoint()


def test_the_signed_root_is_that_of_the_spooled_leaves(tmp_path: Path) -> None:
    """A checkpoint covers exactly the durable events, in order."""
    builder = begun(tmp_path)
    archivist = builder.archivist()
    run_out(archivist)
    signed = archivist.signed
    archivist.close()
    assert signed is not None
    assert signed.size == builder.n
    assert signed.root == fold([leaf_hash(leaf) for leaf in leaves(builder)])
    published = (builder.journal / "log" / "checkpoint").read_bytes()
    assert open_checkpoint(published, [builder.vkey]) == signed


def test_openssl_verifies_the_signature(tmp_path: Path) -> None:
    """The note's body and signature check with a tool that knows nothing of gatekeep."""
    builder = begun(tmp_path)
    archivist = builder.archivist()
    run_out(archivist)
    archivist.close()
    note = (builder.journal / "log" / "checkpoint").read_bytes()
    body, _, line = note.partition(b"\n\n")
    signature = base64.b64decode(line.split()[-1])[4:]
    (tmp_path / "body").write_bytes(body + b"\n")
    (tmp_path / "signature").write_bytes(signature)
    public = builder.signing_key.public_key()
    (tmp_path / "key.pem").write_bytes(
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    done = subprocess.run(
        [
            "openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", "key.pem",
            "-in", "body", "-sigfile", "signature",
        ],
        cwd=tmp_path, capture_output=True, check=False, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Verified Successfully" in done.stdout


def test_what_is_not_acknowledged_is_not_archived(tmp_path: Path) -> None:
    """Events beyond the acked cursor stay out of the tree."""
    builder = begun(tmp_path)
    session = builder.session(9)
    builder.append(session, "session.opened", opened_payload())
    durable = builder.n
    builder.commit(acked=False)
    archivist = builder.archivist()
    run_out(archivist)
    assert archivist.size == durable
    archivist.close()


def test_wrapped_session_keys_are_kept(tmp_path: Path) -> None:
    """Each session's wrapped key is stored, so that a spool segment may go one day."""
    builder = begun(tmp_path)
    archivist = builder.archivist()
    run_out(archivist)
    archivist.close()
    assert set(builder.keys.sessions) == {session_id_of(number) for number in (1, 2)}


def test_a_second_archivist_is_refused(tmp_path: Path) -> None:
    """Two instances would fork the log: the second does not start."""
    builder = begun(tmp_path)
    archivist = builder.archivist()
    with pytest.raises(JournalUnavailable):
        builder.archivist()
    archivist.close()


def test_a_byte_that_changed_on_disk_is_never_signed(tmp_path: Path) -> None:
    """Bytes are read back and hashed again; a difference stops the archivist, files stay."""
    builder = begun(tmp_path)
    path = min(builder.spool.glob("*.seg"))
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    path.write_bytes(content)
    archivist = builder.archivist()
    with pytest.raises(EvidenceBroken):
        run_out(archivist)
    assert archivist.signed is None
    archivist.close()
    assert path.read_bytes() == content


class Killed(BaseException):
    """The process was killed here."""


class KillSwitch:
    """Counts calls that change the disk and kills at one of them."""

    def __init__(self, at: int) -> None:
        self.left = at

    def step(self) -> None:
        """One more change is about to happen."""
        self.left -= 1
        if self.left == 0:
            raise Killed


def armed(monkeypatch: pytest.MonkeyPatch, switch: KillSwitch) -> None:
    """Let the switch see every write, fsync and rename of the archive."""
    real_write, real_fsync = staging.write_all, os.fsync
    real_rename, real_rename_file = Path.rename, os.rename

    def write(handle: int, content: bytes) -> None:
        switch.left -= 1
        if switch.left == 0:
            real_write(handle, content[: len(content) // 2])
            raise Killed
        real_write(handle, content)

    def fsync(handle: int) -> None:
        switch.step()
        real_fsync(handle)

    def rename(path: Path, target: Path) -> Path:
        switch.step()
        return real_rename(path, target)

    def rename_file(path: str, target: str) -> None:
        switch.step()
        real_rename_file(path, target)

    monkeypatch.setattr(staging, "write_all", write)
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "rename", rename)
    monkeypatch.setattr(os, "rename", rename_file)


def test_killed_anywhere_it_goes_on_and_the_log_is_whole(tmp_path: Path) -> None:
    """Whatever write, fsync or rename the process dies in, the next one completes the same log."""
    builder = begun(tmp_path)
    untouched = tmp_path / "untouched"
    shutil.copytree(builder.journal, untouched)
    expected = fold([leaf_hash(leaf) for leaf in leaves(builder)])
    survived = False
    at = 1
    while not survived:
        shutil.rmtree(builder.journal)
        shutil.copytree(untouched, builder.journal)
        with pytest.MonkeyPatch.context() as patch:
            armed(patch, KillSwitch(at))
            survived = _interrupted(builder)
        signed = signed_checkpoint(builder.journal)
        archivist = builder.archivist()
        assert archivist.signed == signed
        run_out(archivist)
        archivist.checkpoint()
        assert archivist.signed is not None
        assert archivist.signed.root == expected
        archivist.close()
        report = verify(builder.journal, Trust([builder.vkey]))
        assert report.exit_code == 0, (at, report.as_text())
        notes = split_notes((builder.journal / "log" / "checkpoints").read_bytes())
        assert len(notes) == len(set(notes))
        at += 7
    assert at > 60


def _interrupted(builder: SpoolBuilder) -> bool:
    """Archive with checkpoints in between; true if nothing killed it."""
    archivist: Archivist | None = None
    try:
        archivist = builder.archivist()
        while archivist.step(200):
            archivist.checkpoint()
        archivist.checkpoint()
    except Killed:
        return False
    finally:
        if archivist is not None:
            os.close(archivist._lock)  # what the kernel does for a dead process
    return True


def test_it_goes_on_where_it_was(tmp_path: Path) -> None:
    """Event by event, restarted each time, gives the log that one run gives."""
    builder = SpoolBuilder(tmp_path / "journal")
    session = builder.session(1)
    builder.append(session, "session.opened", opened_payload())
    for _ in range(40):
        builder.statements(session, 7)
        archivist = builder.archivist()
        run_out(archivist)
        archivist.close()
    signed = signed_checkpoint(builder.journal)
    assert signed is not None
    assert signed.root == fold([leaf_hash(leaf) for leaf in leaves(builder)])
    assert verify(builder.journal, Trust([builder.vkey])).exit_code == 0


def test_a_changed_record_of_the_last_checkpoint_stops_it(tmp_path: Path) -> None:
    """Compare-and-set: if somebody else moved the record, nothing is signed over it."""
    builder = begun(tmp_path)
    archivist = builder.archivist()
    archivist.step(100)
    archivist.checkpoint()
    note = (builder.journal / "signed").read_bytes()
    other = builder.signer().sign(3, bytes(32))
    (builder.journal / "signed").write_bytes(other.note)
    archivist.step(100)
    with pytest.raises(EvidenceBroken):
        archivist.checkpoint()
    assert (builder.journal / "log" / "checkpoint").read_bytes() == note
    archivist.close()


def test_a_log_that_lost_its_record_does_not_start(tmp_path: Path) -> None:
    """Without the record of the last checkpoint it could fork what was published: it refuses."""
    builder = begun(tmp_path)
    archivist = builder.archivist()
    run_out(archivist)
    archivist.close()
    (builder.journal / "signed").unlink()
    with pytest.raises(EvidenceBroken, match="missing"):
        builder.archivist()
    assert ORIGIN in (builder.journal / "log" / "checkpoint").read_text()
