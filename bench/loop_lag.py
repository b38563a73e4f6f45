"""What a run of the feedback loop costs the event loop of its gateway: how late the loop answers meanwhile.

Run: `python bench/loop_size.py --make DIR [events]`, then `python bench/loop_lag.py DIR`. Another process
writes the time into a pipe each millisecond; the event loop reads it as it reads a client, and how old
it then is, is the lag. First nothing runs beside it; then a first run as the gateway makes it, in the
loop's own process; then one with nothing new. `--here` makes the same run on a thread of this process,
as it was made before there was another. Compare with `idle` of the same run: the machine has its own lag.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import loop_size
import uvloop
from loop_size import ASKING, MEMBERS, NOW_US, Kept

from gatekeep.domain.suggestions import Suggestion
from gatekeep.feedback.deeds import Evidence
from gatekeep.journal.keys import KEK_NAME, KeyRing, make_keys_dir, write_secret
from gatekeep.journal.unsealing import Unsealer
from gatekeep.loop_thinker import Place, Reading, Thinker
from gatekeep.loop_thinker_link import ThinkerLink
from gatekeep.loop_witness import JournalWitness
from gatekeep.policy.loading import load
from gatekeep.policy.rules import PolicyVersion
from gatekeep.runtime.clock import SystemClock
from gatekeep.stores.sqlite.state import StateStore

BENCH = Path(__file__).parent
KEK = bytes(range(32))
Result = TypeVar("Result")
STAMP = struct.Struct("<Q")
SENDER = """
import os, struct, time
due = time.monotonic()
while True:
    due += 0.001
    time.sleep(max(0.0, due - time.monotonic()))
    os.write(1, struct.pack("<Q", time.monotonic_ns()))
"""


class Meter:
    """How old the time is when the loop reads it, in milliseconds."""

    def __init__(self) -> None:
        self._lags: list[float] = []
        self._handle = -1
        self._begun = (0.0, 0.0)

    async def __aenter__(self) -> Self:
        self._handle, theirs = os.pipe()
        os.set_blocking(self._handle, False)
        self._sender = subprocess.Popen(  # noqa: ASYNC220 - before anything is measured
            [sys.executable, "-c", SENDER], stdout=theirs
        )
        os.close(theirs)
        asyncio.get_running_loop().add_reader(self._handle, self._read)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        asyncio.get_running_loop().remove_reader(self._handle)
        self._sender.kill()
        self._sender.wait()

    def _read(self) -> None:
        found = os.read(self._handle, 1 << 16)
        now = time.monotonic_ns()
        whole = len(found) // STAMP.size * STAMP.size
        self._lags += [(now - at) / 1e6 for (at,) in STAMP.iter_unpack(found[:whole])]

    def begin(self) -> None:
        """From here."""
        self._lags.clear()
        self._begun = (time.perf_counter(), time.process_time())

    def tell(self, what: str) -> None:
        """To here."""
        took = time.perf_counter() - self._begun[0]
        used = time.process_time() - self._begun[1]
        lags = sorted(self._lags)
        p50, p99, p999 = (lags[int(len(lags) * part)] for part in (0.5, 0.99, 0.999))
        print(
            f"{what:<22} {took:6.1f} s, {used:5.1f} s CPU of this process; lag p50 {p50:.2f},"
            f" p99 {p99:.2f}, p99.9 {p999:.2f}, max {lags[-1]:.1f} ms",
            flush=True,
        )


class Apart:
    """As the gateway does it."""

    def __init__(self, place: Place) -> None:
        self._link = ThinkerLink(place, lambda: MEMBERS, lambda: NOW_US)

    async def read(self) -> Reading:
        """With the groups of the bench."""
        asked = self._link._asked  # noqa: SLF001 - what people did is changed before it is thought of
        return await asked(3600.0, loop_size.read_staffed, NOW_US)

    async def read_again(self) -> Reading:
        """As it is."""
        return await self._link.read()

    async def search(self, version: PolicyVersion) -> Mapping[str, Suggestion]:
        """And prove."""
        return await self._link.search(version, NOW_US, [])

    async def close(self) -> None:
        """End it."""
        await self._link.close()


class Here:
    """On a thread of this process."""

    def __init__(self, place: Place) -> None:
        ring = KeyRing.open(place.keys)
        store = StateStore.open_to_read(place.state_db, ring.state_db_key(), SystemClock())
        witness = JournalWitness(place.journal, Unsealer(ring, store), [place.vkey])
        self._witness = witness
        self._thinker = Thinker(lambda now_us: loop_size.staffed(witness.read(now_us)))
        self._thread = ThreadPoolExecutor(1)

    async def _run(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def read(self) -> Reading:
        """The same."""
        return await self._run(lambda: self._thinker.read(NOW_US))

    async def read_again(self) -> Evidence:
        """The same."""
        return await self._run(lambda: self._witness.read(NOW_US))

    async def search(self, version: PolicyVersion) -> Mapping[str, Suggestion]:
        """The same."""
        return await self._run(lambda: self._thinker.search(version, MEMBERS, NOW_US, []))

    async def close(self) -> None:
        """Nothing else runs."""
        self._thread.shutdown()


def furnished(where: Path) -> Place:
    """The keys of `loop_size --make` as a gateway keeps them."""
    kept, keys = Kept(where), where / "keys"
    if not keys.is_dir():
        make_keys_dir(keys)
        write_secret(keys / KEK_NAME, KEK.hex().encode())
        store = StateStore.open(where / "state.db", KeyRing(KEK).state_db_key(), SystemClock())
        for person, wrapped in kept.subjects.items():
            store.put_subject_key(person, wrapped)
        store.close()
    return Place(where / "journal", where / "state.db", keys, kept.vkey)


def resident(pids: Sequence[int]) -> int:
    """Bytes in memory of these processes and all that they started, shared ones counted each time."""
    found, total = list(pids), 0
    for pid in found:
        try:
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
            for path in Path(f"/proc/{pid}/task").glob("*/children"):
                found += [int(one) for one in path.read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total


async def watch(most: list[int]) -> None:
    """The peak of all processes together."""
    while True:
        most[0] = max(most[0], resident([os.getpid()]))
        await asyncio.sleep(1.0)


async def measure(where: Path, *, here: bool) -> None:
    """A first run and one with nothing new."""
    version = load({"main.cedar": ASKING})
    thoughts = (Here if here else Apart)(furnished(where))
    most = [0]
    async with Meter() as meter:
        meter.begin()
        await asyncio.sleep(10.0)
        meter.tell("idle")
        base = resident([os.getpid()])
        watching = asyncio.ensure_future(watch(most))
        meter.begin()
        read = await thoughts.read()
        meter.tell("first run: read")
        meter.begin()
        found = await thoughts.search(version)
        meter.tell("search and prove")
        meter.begin()
        await thoughts.read_again()
        meter.tell("nothing new: read")
        watching.cancel()
    await thoughts.close()
    safe = sum(one.safe for one in found.values())
    print(
        f"{read.next_n:,} events, verified {read.verified} {read.unverified}; {len(found)} found, {safe} safe;"
        f" all processes {most[0] >> 20} MiB at most, {base >> 20} before (pages that they share counted each time)"
    )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("place", type=Path)
    parser.add_argument("--here", action="store_true", help="on a thread of this process")
    chosen = parser.parse_args()
    os.environ["PYTHONPATH"] = os.pathsep.join([str(BENCH), str(BENCH.parent / "tests"), *sys.path])
    uvloop.run(measure(chosen.place, here=chosen.here))


if __name__ == "__main__":
    main()
