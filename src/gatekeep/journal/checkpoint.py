"""Checkpoints: C2SP signed-note and tlog-checkpoint, signed and verified with Ed25519 (type 0x01).

No files here. The private key is loaded by `logkey`, in the archivist's process alone.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gatekeep.domain.checkpoints import Checkpoint
from gatekeep.errors import EvidenceBroken

_ED25519: Final = b"\x01"
_KEY_ID_BYTES: Final = 4
_KEY_BYTES: Final = 32
_DASH: Final = "— "
_MAX_NOTE_BYTES: Final = 1 << 20
_BODY_LINES: Final = 3
_HASH_BYTES: Final = 32


class UnknownKey(EvidenceBroken):
    """No signature on the note is by a key that the verifier was given: nothing can be decided."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key of a log: name, key id (4 bytes) and Ed25519 key."""

    name: str
    key_id: bytes
    public: Ed25519PublicKey

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Read a vkey, `name+hash+base64` (signed-note, "Verifier keys"). Raises ValueError."""
        parts = text.strip().split("+", 2)
        if len(parts) != 3:  # noqa: PLR2004 - name, id, key
            raise ValueError("a verifier key reads name+hash+key")
        name, key_id_hex, key_text = parts
        try:
            key = base64.b64decode(key_text, validate=True)
            key_id = bytes.fromhex(key_id_hex)
        except (binascii.Error, ValueError) as error:
            raise ValueError("a verifier key is not in hex and base64") from error
        if len(key) != 1 + _KEY_BYTES or key[:1] != _ED25519:
            raise ValueError("a verifier key is not an Ed25519 key")
        if not _is_name(name) or key_id_of(name, key[1:]) != key_id:
            raise ValueError("a verifier key's name, id and key do not belong together")
        return cls(name, key_id, Ed25519PublicKey.from_public_bytes(key[1:]))


def key_id_of(name: str, public: bytes) -> bytes:
    """First 4 bytes of SHA-256(name, newline, type, key) (signed-note, "Signatures")."""
    return sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:_KEY_ID_BYTES]


def parse_vkeys(texts: Sequence[str]) -> tuple[VerifierKey, ...]:
    """Verifier keys from texts of one key a line; empty lines and `#` comments are skipped."""
    lines = (line.strip() for text in texts for line in text.splitlines())
    return tuple(VerifierKey.parse(line) for line in lines if line and not line.startswith("#"))


class CheckpointSigner:
    """Signs tree heads of one log."""

    def __init__(self, origin: str, key: Ed25519PrivateKey) -> None:
        public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.origin = origin
        self._key = key
        self._key_id = key_id_of(origin, public)

    def sign(self, size: int, root: bytes) -> Checkpoint:
        """The signed checkpoint of this tree."""
        body = checkpoint_body(self.origin, size, root)
        signature = base64.b64encode(self._key_id + self._key.sign(body)).decode("ascii")
        note = body + f"\n{_DASH}{self.origin} {signature}\n".encode()
        return Checkpoint(self.origin, size, root, note)


def checkpoint_body(origin: str, size: int, root: bytes) -> bytes:
    """The signed text: origin, size and root, a line each (tlog-checkpoint)."""
    return f"{origin}\n{size}\n{base64.b64encode(root).decode('ascii')}\n".encode()


def open_checkpoint(note: bytes, keys: Sequence[VerifierKey]) -> Checkpoint:
    """Verify a signed note and read the checkpoint in it.

    Signature lines of unknown keys are ignored; a known key whose signature fails rejects the
    note. Raises UnknownKey if no known key signed it, EvidenceBroken for anything else wrong.
    """
    checkpoint, signatures = parse_checkpoint(note)
    body, _ = _split_note(note)
    known: Mapping[tuple[str, bytes], VerifierKey] = {(key.name, key.key_id): key for key in keys}
    verified = False
    for name, key_id, signature in signatures:
        key = known.get((name, key_id))
        if key is None:
            continue
        try:
            key.public.verify(signature, body)
        except InvalidSignature as error:
            raise EvidenceBroken("a checkpoint's signature does not fit its text") from error
        verified = verified or name == checkpoint.origin
    if not verified:
        raise UnknownKey("no signature of a known key is on the checkpoint")
    return checkpoint


def parse_checkpoint(note: bytes) -> tuple[Checkpoint, list[tuple[str, bytes, bytes]]]:
    """The unverified checkpoint and its signatures: (name, key id, signature).

    Raises EvidenceBroken unless the note is exactly in form.
    """
    body, lines = _split_note(note)
    fields = body.decode().split("\n")
    if len(fields) != _BODY_LINES + 1 or not fields[0]:
        raise EvidenceBroken("a checkpoint has not exactly origin, size and root")
    origin, size_text, root_text = fields[:_BODY_LINES]
    if not (size_text.isascii() and size_text.isdigit()) or size_text != str(int(size_text)):
        raise EvidenceBroken("a checkpoint's size is not a plain number")
    root = _base64(root_text)
    if len(root) != _HASH_BYTES:
        raise EvidenceBroken("a checkpoint's root is not 32 bytes")
    return Checkpoint(origin, int(size_text), root, note), [_signature(line) for line in lines]


def split_notes(data: bytes) -> list[bytes]:
    """The notes of a file that holds one after the other. Raises EvidenceBroken if it does not.

    A note ends after the last of its signature lines.
    """
    notes: list[bytes] = []
    lines = data.split(b"\n")
    if lines.pop():
        raise EvidenceBroken("the list of checkpoints does not end with a whole line")
    start, signed = 0, False
    dash = _DASH.encode()
    for number, line in enumerate(lines):
        if signed and not line.startswith(dash):
            notes.append(b"\n".join(lines[start:number]) + b"\n")
            start, signed = number, False
        if line.startswith(dash) and number > start and (signed or not lines[number - 1]):
            signed = True
    if start < len(lines):
        if not signed:
            raise EvidenceBroken("the list of checkpoints ends without a signature")
        notes.append(b"\n".join(lines[start:]) + b"\n")
    return notes


def _split_note(note: bytes) -> tuple[bytes, list[str]]:
    """Body (with its last newline) and signature lines of a note."""
    try:
        text = note.decode("utf-8")
    except UnicodeDecodeError as error:
        raise EvidenceBroken("a checkpoint is not UTF-8") from error
    if len(note) > _MAX_NOTE_BYTES or any(ord(c) < 0x20 and c != "\n" for c in text):  # noqa: PLR2004 - control characters
        raise EvidenceBroken("a checkpoint holds control characters")
    split = text.rfind("\n\n")
    if split < 0 or not text.endswith("\n"):
        raise EvidenceBroken("a checkpoint has no signatures")
    lines = text[split + 2 : -1].split("\n")
    if not all(line.startswith(_DASH) for line in lines):
        raise EvidenceBroken("a checkpoint has a line that is not a signature")
    return text[: split + 1].encode(), lines


def _signature(line: str) -> tuple[str, bytes, bytes]:
    name, _, encoded = line[len(_DASH) :].partition(" ")
    raw = _base64(encoded)
    if not _is_name(name) or len(raw) <= _KEY_ID_BYTES:
        raise EvidenceBroken("a checkpoint has a malformed signature line")
    return name, raw[:_KEY_ID_BYTES], raw[_KEY_ID_BYTES:]


def _base64(text: str) -> bytes:
    """Standard base64 in its one canonical spelling (every bit of it counts)."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise EvidenceBroken("a checkpoint holds malformed base64") from error
    if base64.b64encode(raw).decode("ascii") != text:
        raise EvidenceBroken("a checkpoint holds base64 in another spelling")
    return raw


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(c.isspace() for c in name)
