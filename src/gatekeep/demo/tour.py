"""The guided tour: allow → deny → search → tamper check, unattended, with real psql and our own CLI.

Each step says what it does, runs it, and fails the tour when the answer is not the promised one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from gatekeep.errors import GatekeepError

_STEP_S = 60
_COPIES = 10
_CLI = (sys.executable, "-m", "gatekeep.cli.main")


class TourFailed(GatekeepError):  # noqa: N818 - reads as what happened
    """A step of the tour did not answer as promised."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What the tour looks at: the door, a principal's token, the files, and the programs."""

    host: str
    port: int
    target: str
    token_of_alice: str
    settings: Path
    journal: Path
    keys: Path
    psql: Path


def take_tour(sight: Sight) -> None:
    """Run every step; raises TourFailed at the first that does not hold."""
    _say("1. An engineer reads. Recorded before it runs, then forwarded.")
    answer = _psql(sight, "SELECT count(*) AS orders FROM orders")
    _expect(answer.returncode == 0 and "2000" in answer.stdout, "the SELECT answers 2000", answer)

    _say("2. The same engineer drops a table. The policy says no, and says why.")
    answer = _psql(sight, "DROP TABLE customers")
    refused = "policy does not allow DROP TABLE on orders" in answer.stderr
    _expect(answer.returncode != 0 and refused, "DROP TABLE is refused", answer)
    _say("   …and the table is still there:")
    answer = _psql(sight, "SELECT count(*) AS customers FROM customers")
    _expect("500" in answer.stdout, "customers still holds 500 rows", answer)

    _say("3. Deleting without WHERE needs a person; approvals are still to come, so it is refused.")
    answer = _psql(sight, "DELETE FROM customers")
    _expect("needs approval" in answer.stderr, "DELETE without WHERE asks", answer)

    _say("4. A reviewer searches what happened.")
    answer = _gatekeep(sight, "audit", "search", "decision:deny customers")
    _expect("DROP TABLE customers" in answer.stdout, "the refusal is found", answer)

    _say("5. The log verifies, offline, from files and keys alone.")
    answer = _verify(sight, sight.journal)
    _expect(answer.returncode == 0, "audit verify exits 0", answer)

    _say("6. Somebody changes one byte of history (in a copy), and it is named.")
    with tempfile.TemporaryDirectory(prefix="gatekeep-tour-") as scratch:
        copy = _whole_copy(sight, Path(scratch) / "journal")
        victim = _flip_a_byte(copy)
        answer = _verify(sight, copy)
        named = victim.name in answer.stdout + answer.stderr
        _expect(answer.returncode == 1 and named, "audit verify exits 1 and names it", answer)
    _say("Tour done: everything was as promised.")


def _whole_copy(sight: Sight, copy: Path) -> Path:
    """A copy of the journal that verifies: one made while a checkpoint was written may not."""
    for _ in range(_COPIES):
        with contextlib.suppress(shutil.Error):  # a file that went meanwhile: verified below
            shutil.copytree(sight.journal, copy)
        command = [*_CLI, "audit", "verify", str(copy), "--keys", str(sight.keys)]
        if _finished(command, dict(os.environ)).returncode == 0:
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


def _verify(sight: Sight, journal: Path) -> subprocess.CompletedProcess[str]:
    return _gatekeep(sight, "audit", "verify", str(journal), "--keys", str(sight.keys))


def _psql(sight: Sight, statement: str) -> subprocess.CompletedProcess[str]:
    dsn = f"host={sight.host} port={sight.port} user=alice dbname={sight.target}"
    _say(f"   $ psql … -c '{statement}'")
    return _run(
        [str(sight.psql), "-X", dsn, "-c", statement],
        {"PGPASSWORD": sight.token_of_alice, "PATH": os.defpath},
    )


def _gatekeep(sight: Sight, *arguments: str) -> subprocess.CompletedProcess[str]:
    _say(f"   $ gatekeep {' '.join(arguments)}")
    environment = {**os.environ, "GATEKEEP_CONFIG": str(sight.settings)}
    return _run([*_CLI, *arguments], environment)


def _finished(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own programs with our own arguments
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_STEP_S,
        check=False,
        env=environment,
    )


def _run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    done = _finished(command, environment)
    for line in (done.stdout + done.stderr).splitlines()[:12]:
        _say(f"   | {line}")
    return done


def _expect(held: bool, promise: str, answer: subprocess.CompletedProcess[str]) -> None:
    if not held:
        raise TourFailed(
            f"the tour stopped: expected that {promise}",
            cause=f"exit {answer.returncode}: {answer.stdout[-500:]}{answer.stderr[-500:]}",
        )
    _say(f"   ● {promise}")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
