"""Signed notes: what is signed verifies, what is changed in any way does not."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gatekeep.errors import EvidenceBroken
from gatekeep.journal.checkpoint import (
    CheckpointSigner,
    UnknownKey,
    VerifierKey,
    open_checkpoint,
    parse_vkeys,
    split_notes,
)
from gatekeep.journal.logkey import vkey_of

ORIGIN = "example.org/log"
KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
OTHER = Ed25519PrivateKey.from_private_bytes(b"o" * 32)


def vkey(key: Ed25519PrivateKey, name: str = ORIGIN) -> VerifierKey:
    """Public form of a key."""
    return VerifierKey.parse(
        vkey_of(name, key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
    )


NOTE = CheckpointSigner(ORIGIN, KEY).sign(77, b"r" * 32).note


def test_what_was_signed_is_read_back() -> None:
    """Origin, size and root come out of a verified note."""
    checkpoint = open_checkpoint(NOTE, [vkey(KEY)])
    assert (checkpoint.origin, checkpoint.size, checkpoint.root) == (ORIGIN, 77, b"r" * 32)


def test_every_changed_bit_is_refused() -> None:
    """No bit of a note with one signature can change: mismatch, or no known key any more."""
    for place in range(len(NOTE)):
        for bit in range(8):
            changed = bytearray(NOTE)
            changed[place] ^= 1 << bit
            with pytest.raises(EvidenceBroken):
                open_checkpoint(bytes(changed), [vkey(KEY)])


def test_lines_of_unknown_keys_are_ignored_but_one_known_is_needed() -> None:
    """Cosignatures and rotated keys may stand beside; alone they decide nothing."""
    body, _, line = NOTE.partition(b"\n\n")
    foreign = CheckpointSigner("witness.example", OTHER).sign(77, b"r" * 32).note
    foreign_line = foreign.partition(b"\n\n")[2]
    both = body + b"\n\n" + foreign_line + line
    assert open_checkpoint(both, [vkey(KEY)]).size == 77
    with pytest.raises(UnknownKey):
        open_checkpoint(body + b"\n\n" + foreign_line, [vkey(KEY)])


def test_a_known_key_that_fails_rejects_the_note() -> None:
    """One good signature does not excuse a failing one of another known key."""
    body, _, line = NOTE.partition(b"\n\n")
    wrong = CheckpointSigner(ORIGIN, OTHER).sign(78, b"r" * 32).note.partition(b"\n\n")[2]
    with pytest.raises(EvidenceBroken, match="does not fit"):
        open_checkpoint(body + b"\n\n" + line + wrong, [vkey(KEY), vkey(OTHER)])


@pytest.mark.parametrize(
    "text",
    ["", "a+b", "name+00000000+AAAA", vkey_of(ORIGIN, bytes(32)).replace("log", "lag")],
)
def test_a_key_that_contradicts_itself_is_refused(text: str) -> None:
    """Name, id and key of a vkey belong together."""
    with pytest.raises(ValueError, match="verifier key"):
        VerifierKey.parse(text)


def test_key_files_may_hold_comments() -> None:
    """One key a line; empty lines and comments are skipped."""
    text = f"# ours\n\n{vkey_of(ORIGIN, KEY.public_key().public_bytes_raw())}\n"
    assert [key.name for key in parse_vkeys([text])] == [ORIGIN]


def test_notes_one_after_the_other_come_apart_again() -> None:
    """The history is a plain concatenation."""
    notes = [CheckpointSigner(ORIGIN, KEY).sign(size, bytes(32)).note for size in (1, 2, 30)]
    assert split_notes(b"".join(notes)) == notes
    assert split_notes(b"") == []
    with pytest.raises(EvidenceBroken):
        split_notes(b"".join(notes)[:-3])
