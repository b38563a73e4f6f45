"""Verifies what was added to a journal since the last time: events, chains, and the signed tree.

For who reads a log as it grows. Old checkpoints, the files of the tree above and segments that are
archived whole are for `verify`. Nothing is written; what is known is a value that can be handed on.
"""

from __future__ import annotations

import copy
import errno
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gatekeep.domain.checkpoints import Checkpoint
from gatekeep.errors import EvidenceBroken
from gatekeep.journal.archive import LOG_DIR, SIGNED_NAME, SPOOL_DIR
from gatekeep.journal.checkpoint import VerifierKey, open_checkpoint
from gatekeep.journal.examine import Chains
from gatekeep.journal.report import Finding
from gatekeep.journal.spool import Acked
from gatekeep.journal.tiles import TILE_WIDTH, GrowingTree, bundle_path
from gatekeep.journal.tree import join_subtrees
from gatekeep.journal.verify_archive import RUN_BUNDLES, Run, RunResult, verify_run
from gatekeep.journal.verify_spool import read_cursor, stretches, verify_segment

_FINDINGS: Final = 5
_NO_FILE: Final = frozenset({errno.ENOENT, errno.EISDIR, errno.ENOTDIR, errno.ELOOP})
"""What is where a file should be is none: that is a fault of the journal, not of reading it."""


@dataclass(slots=True)
class Known:
    """What was verified before: whole bundles of 256 events, their tree, the chains in them."""

    origin: str = ""
    tree: GrowingTree = field(default_factory=GrowingTree)
    chains: Chains = field(default_factory=Chains)

    @property
    def events(self) -> int:
        """How many events that is."""
        return self.tree.size * TILE_WIDTH


@dataclass(slots=True)
class Onward:
    """What one look found. `end` is the index after the last event that was verified.

    `signed` is how many of them a checkpoint signs. `wrong` says in words what is wrong, and `unread`
    what kept the rest from being looked at (a disk that fails, no right to read): that proves
    nothing. Where both are empty, `known` is what to go on from.
    """

    known: Known
    signed: int = 0
    end: int = 0
    wrong: tuple[str, ...] = ()
    unread: str = ""


def verify_onward(journal: Path, vkeys: Sequence[str], known: Known) -> Onward:
    """Verify what is new, up to what was acknowledged at the call. Never raises for what it finds.

    `vkeys` are the log's public keys, as `log.vkey` holds them. `known` is not changed. What was
    found before something could not be read counts; where no file is, that is wrong.
    """
    wrong: list[str] = []
    unread = ""
    try:
        keys = [VerifierKey.parse(one) for one in vkeys]
        return _verify(journal, keys, copy.deepcopy(known), wrong)
    except EvidenceBroken as error:
        wrong.append(error.public)
    except OSError as error:
        said = f"{error.filename or journal}: {error.strerror}"
        if error.errno in _NO_FILE:
            wrong.append(said)
        else:
            unread = said
    except MemoryError:
        unread = "there is too little memory to verify it"
    except Exception as error:  # noqa: BLE001 - what cannot be understood is a failure, never passed
        wrong.append(f"cannot be examined: {type(error).__name__}")
    return Onward(known, wrong=tuple(wrong[:_FINDINGS]), unread=unread)


def _verify(
    journal: Path, keys: Sequence[VerifierKey], known: Known, wrong: list[str]
) -> Onward:
    # The cursor first: whatever is archived and signed meanwhile, it was in the spool by then.
    acked = read_cursor(journal / SPOOL_DIR)
    signed = open_checkpoint((journal / SIGNED_NAME).read_bytes(), keys)
    if known.origin and signed.origin != known.origin:
        raise EvidenceBroken(f"{SIGNED_NAME} is of another log")
    if signed.size < known.events:
        raise EvidenceBroken(
            f"{SIGNED_NAME} goes back to {signed.size} events; {known.events} were there before"
        )
    known.origin = signed.origin
    rest = _archive(journal / LOG_DIR, signed, known, wrong)
    chains = copy.deepcopy(known.chains)
    if rest is not None:
        _join(chains, rest, wrong)
    end = _spool(journal, signed, acked, chains, wrong)
    return Onward(known, signed.size, end, tuple(wrong[:_FINDINGS]))


def _archive(
    log: Path, signed: Checkpoint, known: Known, wrong: list[str]
) -> RunResult | None:
    """Whole bundles go into what is known; the one that is not whole yet is returned."""
    whole = signed.size // TILE_WIDTH
    for first in range(known.tree.size, whole, RUN_BUNDLES):
        run = Run(log, signed.origin, first, min(first + RUN_BUNDLES, whole), signed.size)
        result = verify_run(run)
        _join(known.chains, result, wrong)
        for number, (over_events, over_tile) in enumerate(result.folds, first):
            if over_events is None or over_events != over_tile:
                wrong.append(f"{bundle_path(number)} and its tile differ")
            known.tree.extend([over_events or bytes(32)])
    rest, parts = None, known.tree.parts()
    if signed.size % TILE_WIDTH:
        rest = verify_run(Run(log, signed.origin, whole, whole + 1, signed.size))
        parts = [*parts, rest.folds[0][0] or bytes(32)]
    if signed.size and join_subtrees(parts) != signed.root:
        wrong.append(f"the root signed for {signed.size} events is not the root of these events")
    return rest


def _join(chains: Chains, result: RunResult, wrong: list[str]) -> None:
    where = f"{LOG_DIR}/{bundle_path(result.run.first)}"
    _say([*result.examined.findings, *chains.join(result.examined, where)], wrong)


def _spool(
    journal: Path, signed: Checkpoint, acked: Acked, chains: Chains, wrong: list[str]
) -> int:
    """What is not archived whole yet: payloads of the last bundle, and events that nobody signed."""
    spool, whole = journal / SPOOL_DIR, signed.size // TILE_WIDTH * TILE_WIDTH
    end = whole
    for stretch in stretches(spool, journal / LOG_DIR, signed.origin, signed.size, acked):
        if stretch.following is not None and stretch.following <= whole:
            continue
        if stretch.first > max(end, whole):
            wrong.append(f"no segment holds event {end}")
        result = verify_segment(stretch)
        _say(result.examined.findings, wrong)
        _say(chains.join(result.examined, f"{SPOOL_DIR}/{stretch.first:020d}.seg"), wrong)
        end = max(end, result.end)
    if end < max(acked.next_n, signed.size):
        wrong.append(f"no segment holds events {end} to {max(acked.next_n, signed.size) - 1}")
    return end


def _say(findings: Sequence[Finding], wrong: list[str]) -> None:
    wrong += [one.line() for one in findings]
