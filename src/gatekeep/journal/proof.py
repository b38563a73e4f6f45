"""Proofs of single events as C2SP tlog-proof files: made from a log, checked from the file alone."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gatekeep.domain.checkpoints import Checkpoint
from gatekeep.errors import EvidenceBroken
from gatekeep.journal.checkpoint import VerifierKey, open_checkpoint
from gatekeep.journal.encoding import leaf_hash
from gatekeep.journal.tiles import TILE_WIDTH, TileReader, bundle_path, parse_bundle, read_at_least
from gatekeep.journal.tree import inclusion_path, verify_inclusion

_HEADER: Final = "c2sp.org/tlog-proof@v1"
_MAX_PATH: Final = 63


@dataclass(frozen=True, slots=True)
class ProvenEvent:
    """What a proof shows: this leaf stands at index `n` of the log that signed `checkpoint`."""

    n: int
    leaf: bytes
    checkpoint: Checkpoint


def prove(log: Path, n: int, keys: Sequence[VerifierKey]) -> bytes:
    """The proof of event `n` under the log's published checkpoint; its `extra` is the leaf.

    Raises EvidenceBroken if the log's files do not support it, LookupError if `n` is not signed.
    """
    note = (log / "checkpoint").read_bytes()
    checkpoint = open_checkpoint(note, keys)
    if not 0 <= n < checkpoint.size:
        raise LookupError(f"event {n} is not in the signed log of {checkpoint.size} events")
    number, place = divmod(n, TILE_WIDTH)
    width = min(TILE_WIDTH, checkpoint.size - number * TILE_WIDTH)
    leaves = parse_bundle(read_at_least(log, bundle_path(number), width))
    if len(leaves) < width:
        raise EvidenceBroken(f"{bundle_path(number, width)} holds too few leaves")
    leaf = leaves[place]
    path = inclusion_path(n, checkpoint.size, TileReader(log, checkpoint.size).subtree)
    if not verify_inclusion(leaf_hash(leaf), n, checkpoint.size, path, checkpoint.root):
        raise EvidenceBroken(f"the log's files do not prove event {n}: verify the log")
    lines = [_HEADER, f"extra {_encode(leaf)}", f"index {n}", *map(_encode, path), ""]
    return "\n".join(lines).encode() + b"\n" + note


def check(proof: bytes, keys: Sequence[VerifierKey]) -> ProvenEvent:
    """Check a proof against the public keys of the log.

    Raises UnknownKey if none of them signed its checkpoint, EvidenceBroken if it proves nothing.
    """
    head, separator, note = proof.partition(b"\n\n")
    if not separator:
        raise EvidenceBroken("this is not a proof: it has no checkpoint")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise EvidenceBroken("this is not a proof: it is not plain text") from error
    if len(lines) < 3 or lines[0] != _HEADER or not lines[1].startswith("extra "):  # noqa: PLR2004 - header, extra, index
        raise EvidenceBroken("this is not a proof with its event in it")
    leaf = _decode(lines[1].removeprefix("extra "))
    index = lines[2].removeprefix("index ")
    if lines[2] != f"index {index}" or not index.isdigit() or index != str(int(index)):
        raise EvidenceBroken("the proof's index is not a number")
    if len(lines) - 3 > _MAX_PATH:
        raise EvidenceBroken("the proof is too long")
    path = [_decode(line) for line in lines[3:]]
    checkpoint = open_checkpoint(note, keys)
    if not verify_inclusion(leaf_hash(leaf), int(index), checkpoint.size, path, checkpoint.root):
        raise EvidenceBroken("the proof does not lead to the signed root")
    return ProvenEvent(int(index), leaf, checkpoint)


def _encode(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _decode(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise EvidenceBroken("the proof holds malformed base64") from error
    if _encode(raw) != text:
        raise EvidenceBroken("the proof holds base64 in another spelling")
    return raw
