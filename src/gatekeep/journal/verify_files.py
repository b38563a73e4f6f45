"""Looks at every file of a log's directory: each must be known, and hold what its name says.

Whole tiles, bundles and blobs are verified elsewhere; here it is what lies beside them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gatekeep.errors import EvidenceBroken
from gatekeep.journal.report import Fault, Finding
from gatekeep.journal.staging import is_unfinished
from gatekeep.journal.tiles import (
    TILE_HEIGHT,
    TILE_WIDTH,
    parse_bundle,
    read_at_least,
)
from gatekeep.journal.tree import HASH_BYTES

_KNOWN: Final = frozenset({"checkpoint", "checkpoints"})
_NUMBER: Final = r"(?P<number>(?:x\d{3}/)*\d{3})"
_FILE: Final = re.compile(
    rf"(?:tile/(?P<level>\d{{1,2}}|entries)|(?P<blob>blob))/{_NUMBER}(?:\.p/(?P<width>[1-9]\d{{0,2}}))?"
)


def check_files(log: Path, size: int, prefix: str, notes: list[str]) -> Iterator[Finding]:
    """Findings about files that are not known, or hold other bytes than the tree of `size`."""
    ahead = 0
    for folder, _, names in os.walk(log):
        for name in names:
            path = Path(folder) / name
            relative = path.relative_to(log).as_posix()
            if relative in _KNOWN or is_unfinished(path):
                continue
            match = _FILE.fullmatch(relative)
            if match is None or (match["blob"] and match["width"]):
                yield Finding(Fault.MISMATCH, prefix + relative, "is not part of a log")
                continue
            wrong, is_ahead = _check(log, path, size, match)
            ahead += is_ahead
            if wrong:
                yield Finding(Fault.MISMATCH, prefix + relative, wrong)
    if ahead:
        notes.append(f"{ahead} files are ahead of the last checkpoint: not signed yet")


def _check(log: Path, path: Path, size: int, match: re.Match[str]) -> tuple[str, bool]:
    """What is wrong with one file, and whether it lies beyond the signed tree."""
    entries = match["blob"] is not None or match["level"] == "entries"
    level = 0 if entries else int(match["level"])
    number = int(match["number"].replace("x", "").replace("/", ""))
    width = int(match["width"]) if match["width"] else TILE_WIDTH
    signed = min(TILE_WIDTH, (size >> (TILE_HEIGHT * level)) - number * TILE_WIDTH)
    if width > signed:
        return "", True
    if match["width"] is None:
        return "", False  # verified with the tree
    return _check_partial(log, path, width, signed, entries=entries), False


def _check_partial(log: Path, path: Path, width: int, signed: int, *, entries: bool) -> str:
    """What is wrong with a partial tile or bundle: its content, or that it differs from a later one."""
    try:
        content = path.read_bytes()
        right = len(parse_bundle(content)) == width if entries else len(content) == width * HASH_BYTES
    except FileNotFoundError:
        return ""  # the log grew meanwhile
    except EvidenceBroken as error:
        return error.public
    if not right:
        return "does not hold as many entries as its name says"
    try:
        later = read_at_least(log, path.parent.relative_to(log).as_posix()[: -len(".p")], signed)
    except EvidenceBroken:
        return ""  # gone, and named by whoever walks the tree
    return "" if later.startswith(content) else "differs from what came after it"
