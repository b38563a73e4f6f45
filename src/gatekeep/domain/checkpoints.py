"""Checkpoints: signed tree heads of the log."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A C2SP tlog-checkpoint: origin, tree size (leaves) and RFC 6962 root (32 bytes).

    `note` is the whole signed note as published, body and signature lines.
    """

    origin: str
    size: int
    root: bytes
    note: bytes = b""
