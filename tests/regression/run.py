"""`make regression`: PostgreSQL's own regression schedule, directly and through the gateway.

Exit code 0: every test gave the same, but for explained differences; 1: something differs that is
not explained; 2: it could not be run at all. Needs sources (see sources.py).
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from regression.comparison import Expected, Verdict
from regression.schedule import Script, scheduled, script
from regression.sides import Side, Sides, both_sides, major
from regression.sources import NoSourcesError, sources
from support.postgres_server import wheel_binaries


class Workshop:
    """The sources and the place for results, where the server's own account may enter."""

    def __init__(self, version: int) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="gk-regress-"))
        self.root.chmod(0o755)
        self.builds = self.root / "builds"
        (self.builds / "results").mkdir(parents=True)
        (self.builds / "results").chmod(0o777)  # COPY … TO a file writes there as the server
        try:
            self.regress = sources(version, self.root / "regress")
        except BaseException:
            self.close()
            raise

    def compare(
        self, one: Script, sides: Sides, expected: Expected, keep: Path | None = None
    ) -> Verdict:
        """Run one test on both ways and judge what came out; `keep` gets both outputs."""
        runs = []
        for name, side in (("direct", sides.direct), ("through", sides.through)):
            runs.append(side.run(one, self.regress, self.builds))
            if keep is not None:
                (keep / name).mkdir(parents=True, exist_ok=True)
                (keep / name / f"{one.name}.out").write_bytes(runs[-1].output)
        direct, through = runs
        verdict = expected.judge(one.name, direct.output, through.output)
        verdict.seconds = (direct.seconds, through.seconds)
        verdict.switches = one.switches
        if not through.ended or not direct.ended:
            verdict.note = "it did not end in time"
        return verdict

    def close(self) -> None:
        """Remove it all."""
        shutil.rmtree(self.root, ignore_errors=True)


def main(arguments: list[str] | None = None) -> int:
    """Run, compare, print; the exit code."""
    given = _arguments().parse_args(arguments)
    binaries = given.binaries or wheel_binaries()
    try:
        workshop = Workshop(major(binaries))
    except NoSourcesError as error:
        print(f"skipped: {error}", file=sys.stderr)
        return 2
    expected = Expected.load()
    verdicts = []
    try:
        with both_sides(binaries, gateway=not given.control) as sides:
            for name in given.tests or scheduled(workshop.regress):
                one = script(workshop.regress, name, as_written=given.as_written)
                verdicts.append(workshop.compare(one, sides, expected, given.keep))
                print(_line(verdicts[-1]), flush=True)
            faults = sides.faults()
            if given.keep is not None:
                sides.keep_logs(given.keep)
    finally:
        workshop.close()
    for hunk in (f"\n{v.test} {hunk}" for v in verdicts for hunk in v.findings):
        print(hunk)
    for entry in expected.unused(verdicts) if not given.tests else []:
        print(f"explains nothing any more: {', '.join(entry.tests)}: {entry.why}")
    for fault in faults:
        print(f"the gateway: {fault}")
    print(f"\n{_table(verdicts)}")
    return 1 if faults or any(verdict.word == "different" for verdict in verdicts) else 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tests", nargs="*", help="only these, in this order; else the schedule")
    parser.add_argument("--binaries", type=Path, help="bin directory of another PostgreSQL")
    parser.add_argument("--keep", type=Path, help="keep outputs and logs here")
    parser.add_argument(
        "--as-written", action="store_true", help="leave SET SESSION AUTHORIZATION as it is"
    )
    parser.add_argument(
        "--control", action="store_true", help="no gateway: what differs between two servers?"
    )
    return parser


def _line(verdict: Verdict) -> str:
    direct, through = verdict.seconds
    parts = [f"{verdict.test:28} {verdict.word:9} {verdict.lines:6} lines"]
    parts.append(f"{direct:6.1f} s {through:6.1f} s")
    if verdict.explained:
        parts.append(f"{len(verdict.explained)} explained")
    if verdict.findings:
        parts.append(f"{len(verdict.findings)} not explained")
    if verdict.switches:
        parts.append(f"{verdict.switches} switches of user as roles")
    return "  ".join([*parts, verdict.note]).rstrip()


def _table(verdicts: list[Verdict]) -> str:
    count = Counter(verdict.word for verdict in verdicts)
    lines = sum(verdict.lines for verdict in verdicts)
    words = ", ".join(f"{count[word]} {word}" for word in ("same", "explained", "different"))
    return f"{len(verdicts)} tests, {lines} lines: {words}"


if __name__ == "__main__":
    sys.exit(main())
