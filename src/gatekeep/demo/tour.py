"""The guided tour: allow → deny → hold → search → tamper check, unattended, with real psql and our own CLI.

Each step says what it does, runs it, and fails the tour when the answer is not the promised one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from gatekeep.demo.approval_tour import take_approval_steps
from gatekeep.demo.tour_steps import (
    CLI,
    Done,
    Sight,
    TourFailed,
    expect,
    finished,
    gatekeep,
    psql,
    say,
)

_COPIES: Final = 10


def take_tour(sight: Sight) -> None:
    """Run every step; raises TourFailed at the first that does not hold."""
    say("1. An engineer reads. Recorded before it runs, then forwarded.")
    answer = psql(sight, "SELECT count(*) AS orders FROM orders")
    expect(answer.returncode == 0 and "2000" in answer.stdout, "the SELECT answers 2000", answer)

    say("2. The same engineer drops a table. The policy says no, and says why.")
    answer = psql(sight, "DROP TABLE customers")
    refused = "policy does not allow DROP TABLE on orders" in answer.stderr
    expect(answer.returncode != 0 and refused, "DROP TABLE is refused", answer)
    say("   …and the table is still there:")
    answer = psql(sight, "SELECT count(*) AS customers FROM customers")
    expect("500" in answer.stdout, "customers still holds 500 rows", answer)

    say("3. Deleting every row waits, on the live connection, until somebody else has decided.")
    take_approval_steps(sight)

    say("4. A reviewer searches what happened.")
    answer = gatekeep(sight, "audit", "search", "decision:deny customers")
    expect("DROP TABLE customers" in answer.stdout, "the refusal is found", answer)

    say("5. The log verifies, offline, from files and keys alone.")
    answer = _verify(sight, sight.journal)
    expect(answer.returncode == 0, "audit verify exits 0", answer)

    say("6. Somebody changes one byte of history (in a copy), and it is named.")
    with tempfile.TemporaryDirectory(prefix="gatekeep-tour-") as scratch:
        copy = _whole_copy(sight, Path(scratch) / "journal")
        victim = _flip_a_byte(copy)
        answer = _verify(sight, copy)
        named = victim.name in answer.stdout + answer.stderr
        expect(answer.returncode == 1 and named, "audit verify exits 1 and names it", answer)
    say("Tour done: everything was as promised.")


def _whole_copy(sight: Sight, copy: Path) -> Path:
    """A copy of the journal that verifies: one made while a checkpoint was written may not."""
    for _ in range(_COPIES):
        with contextlib.suppress(shutil.Error):  # a file that went meanwhile: verified below
            shutil.copytree(sight.journal, copy)
        command = [*CLI, "audit", "verify", str(copy), "--keys", str(sight.keys)]
        if finished(command, dict(os.environ)).returncode == 0:
            return copy
        shutil.rmtree(copy, ignore_errors=True)
    raise TourFailed("no copy of the running journal verified")


def _flip_a_byte(journal: Path) -> Path:
    bundles = (journal / "log" / "tile" / "entries").rglob("*")
    files = [path for path in bundles if path.is_file()]
    if not files:
        raise TourFailed("the log has no entry bundle yet")
    victim = max(files, key=lambda path: path.stat().st_size)
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.write_bytes(content)
    return victim


def _verify(sight: Sight, journal: Path) -> Done:
    return gatekeep(sight, "audit", "verify", str(journal), "--keys", str(sight.keys))
