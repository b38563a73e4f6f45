"""The loop's quality, measured: organisations with known ground truth, run through the real code.

Run: `python bench/loop/run.py [--seeds N] [--days D] [--trials T] [--jobs J] [--keep DIR] [--write]`. The
same numbers give the same figures; `--write` puts them between the markers in docs/loop.md. With `--keep`
a run that was stopped goes on where it was, by the same code.
"""

from __future__ import annotations

import argparse
import functools
import logging
import multiprocessing
import pickle
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import structlog
from figures import page
from organisations import ALL, named
from planted import RATES, Trial, try_one
from seen import Seen, live

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "loop.md"
BEGIN: Final = "<!-- figures -->"
END: Final = "<!-- end of figures -->"

Job = tuple[str, str, int, int, float, bool]


def jobs_of(seeds: int, days: int, trials: int) -> Iterator[Job]:
    """Everything to be done, the long things first."""
    for seed in range(1, seeds + 1):
        for one in ALL:
            yield ("live", one.name, seed, days, 0.0, False)
    for stamped in (False, True):
        for rate in RATES:
            for seed in range(1, trials + 1):
                for one in ALL:
                    yield ("plant", one.name, seed, 0, rate, stamped)


def done(job: Job, keep: Path | None = None) -> Seen | Trial:
    """One job, in whichever process; what is kept of it already is not done again."""
    kept = keep / ("-".join(map(str, job)).replace(" ", "_") + ".pickle") if keep else None
    if kept is not None and kept.exists():
        return pickle.loads(kept.read_bytes())  # type: ignore[no-any-return]  # noqa: S301 - our own
    found = _do(job)
    if kept is not None:
        unfinished = kept.with_suffix(".part")
        unfinished.write_bytes(pickle.dumps(found))
        unfinished.rename(kept)
    return found


def _do(job: Job) -> Seen | Trial:
    what, name, seed, days, rate, stamped = job
    if what == "live":
        return live(named(name), seed, days)
    return try_one(named(name), seed, rate, stamped=stamped)


def run(
    seeds: int, days: int, trials: int, jobs: int, keep: Path | None = None
) -> tuple[list[Seen], list[Trial]]:
    """All of it, in the order of `jobs_of` however many processes work."""
    todo = list(jobs_of(seeds, days, trials))
    one_job = functools.partial(done, keep=keep)
    _quiet()
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
    if jobs > 1:
        with multiprocessing.get_context("spawn").Pool(jobs, initializer=_quiet) as pool:
            found = list(_counted(pool.imap(one_job, todo), len(todo)))
    else:
        found = list(_counted(map(one_job, todo), len(todo)))
    lived = [one for one in found if isinstance(one, Seen)]
    return lived, [one for one in found if isinstance(one, Trial)]


def _counted(found: Iterable[Seen | Trial], whole: int) -> Iterator[Seen | Trial]:
    """The same, and every twentieth is told to whoever waits: all of it takes the better part of an hour."""
    began = time.monotonic()
    for number, one in enumerate(found, 1):
        if number % 20 == 0:
            print(f"{number} of {whole} after {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        yield one


def _quiet() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def written(text: str, figures: str) -> str:
    """The page with these figures between its markers. Raises ValueError where it has none."""
    before, mark, rest = text.partition(BEGIN)
    if not mark:
        raise ValueError(f"{DOCUMENT.name} has no {BEGIN}")
    _old, end, after = rest.partition(END)
    if not end:
        after = rest
    return f"{before}{BEGIN}\n{figures.strip()}\n{END}{after}"


def main() -> int:
    """Run it, show it, and say whether the promises hold."""
    wanted = argparse.ArgumentParser(description=__doc__)
    wanted.add_argument("--seeds", type=int, default=20)
    wanted.add_argument("--days", type=int, default=180)
    wanted.add_argument("--trials", type=int, default=20, help="seeds of each planted bad adoption")
    wanted.add_argument("--jobs", type=int, default=2)
    wanted.add_argument("--keep", type=Path, default=None, help="where to keep what is done")
    wanted.add_argument("--write", action="store_true", help="into docs/loop.md")
    asked = wanted.parse_args()
    began = time.monotonic()
    lived, trials = run(asked.seeds, asked.days, asked.trials, asked.jobs, asked.keep)
    text, kept = page(lived, trials, asked.days)
    print(text)
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
    if asked.write:
        DOCUMENT.write_text(written(DOCUMENT.read_text(), text))
    return 0 if kept else 1


if __name__ == "__main__":
    raise SystemExit(main())
