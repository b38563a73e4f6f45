"""`make regression`: PostgreSQL's own regression schedule, directly and through the gateway.

Exit code 0: every test gave the same, but for explained differences; 1: something differs that is
not explained; 2: it could not be run at all. Needs sources (see sources.py).
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from regression.comparison import Verdict
from regression.sources import NoSourcesError
from regression.workshop import Workshop, workshop


def main(arguments: list[str] | None = None) -> int:
    """Run, compare, tell; the exit code."""
    given = _arguments().parse_args(arguments)
    try:
        with workshop(
            given.binaries, gateway=not given.control, keep=given.keep, as_written=given.as_written
        ) as shop:
            return _run(shop, given.tests)
    except NoSourcesError as error:
        _say(f"skipped: {error}")
        return 2


def _run(shop: Workshop, tests: list[str]) -> int:
    verdicts = []
    for test in tests or shop.schedule():
        verdicts.append(shop.compare(test))
        _say(line(verdicts[-1]))
    faults = [f"the gateway: {fault}" for fault in shop.faults()]
    for verdict in verdicts:
        for hunk in verdict.findings:
            _say(f"\n{verdict.test} {hunk}")
    reasons = Counter(entry.why for verdict in verdicts for _, entry in verdict.explained)
    for why, count in reasons.items():
        _say(f"explained, {count} times: {why}")
    if not tests:
        for entry in shop.expected.unused(verdicts):
            _say(f"explains nothing any more: {', '.join(entry.tests)}: {entry.why}")
    for fault in faults:
        _say(fault)
    _say(f"\n{total(verdicts)}")
    return 1 if faults or any(verdict.word == "different" for verdict in verdicts) else 0


def line(verdict: Verdict) -> str:
    """What came of one test."""
    direct, through = verdict.seconds
    parts = [
        f"{verdict.test:28} {verdict.word:9} {verdict.lines:6} lines {direct:6.1f} s {through:6.1f} s"
    ]
    if verdict.explained:
        parts.append(f"{len(verdict.explained)} explained")
    if verdict.findings:
        parts.append(f"{len(verdict.findings)} not explained")
    if verdict.switches:
        parts.append(f"{verdict.switches} switches of user as roles")
    return "  ".join([*parts, verdict.note]).rstrip()


def total(verdicts: list[Verdict]) -> str:
    """How many tests gave the same, explained and unexplained differences."""
    count = Counter(verdict.word for verdict in verdicts)
    lines = sum(verdict.lines for verdict in verdicts)
    words = ", ".join(f"{count[word]} {word}" for word in ("same", "explained", "different"))
    return f"{len(verdicts)} tests, {lines} lines: {words}"


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tests", nargs="*", help="only these, in this order; else the schedule")
    parser.add_argument("--binaries", type=Path, help="bin directory of another PostgreSQL")
    parser.add_argument("--keep", type=Path, help="keep outputs and diagnostics in this directory")
    parser.add_argument(
        "--as-written", action="store_true", help="leave SET SESSION AUTHORIZATION as it is"
    )
    parser.add_argument(
        "--control", action="store_true", help="no gateway: what differs between two servers?"
    )
    return parser


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
