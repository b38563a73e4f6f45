"""Where the schedule is run: sources, a place for results, and the two ways; one test at a time."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from support.postgres_server import wheel_binaries

from regression.comparison import Expected, Verdict
from regression.schedule import scheduled, script
from regression.sides import Run, Sides, both_sides, major
from regression.sources import sources


class Workshop:
    """Runs tests in the order in which they are asked for: most build on what came before.

    `keep` gets both outputs of each test, `as_written` leaves SET SESSION AUTHORIZATION in them.
    """

    def __init__(
        self, root: Path, sides: Sides, *, keep: Path | None = None, as_written: bool = False
    ) -> None:
        self.sides = sides
        self.expected = Expected.load()
        self._regress = root / "regress"
        self._builds = root / "builds"
        self._keep = keep
        self._as_written = as_written

    def schedule(self) -> list[str]:
        """The names of all tests, in order."""
        return scheduled(self._regress)

    def compare(self, test: str) -> Verdict:
        """Run it on both ways and judge what came out."""
        one = script(self._regress, test, as_written=self._as_written)
        direct = self.sides.direct.run(one, self._regress, self._builds)
        through = self.sides.through.run(one, self._regress, self._builds)
        self._kept(test, direct, through)
        verdict = self.expected.judge(test, direct.output, through.output)
        verdict.seconds = (direct.seconds, through.seconds)
        verdict.switches = one.switches
        if not through.ended or not direct.ended:
            verdict.note = "it did not end in time"
        return verdict

    def faults(self) -> list[str]:
        """What is wrong with the gateway afterwards; the diagnostics are kept, too."""
        if self._keep is not None:
            self.sides.keep_logs(self._keep)
        return self.sides.faults()

    def _kept(self, test: str, *runs: Run) -> None:
        if self._keep is None:
            return
        for name, run in zip(("direct", "through"), runs, strict=True):
            (self._keep / name).mkdir(parents=True, exist_ok=True)
            (self._keep / name / f"{test}.out").write_bytes(run.output)


@contextlib.contextmanager
def workshop(
    binaries: Path | None = None, *, gateway: bool = True, keep: Path | None = None,
    as_written: bool = False,
) -> Iterator[Workshop]:  # fmt: skip
    """A workshop with everything running. Raises NoSourcesError where there are no sources."""
    version = major(binaries or wheel_binaries())
    root = Path(tempfile.mkdtemp(prefix="gk-regress-"))
    try:
        root.chmod(0o755)  # the server reads its data and writes its results as another account
        results = root / "builds" / "results"
        results.mkdir(parents=True)
        results.chmod(0o777)
        sources(version, root / "regress")
        with both_sides(binaries, gateway=gateway) as sides:
            yield Workshop(root, sides, keep=keep, as_written=as_written)
    finally:
        shutil.rmtree(root, ignore_errors=True)
