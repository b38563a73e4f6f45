"""The loop's process dies, hangs, and is left alone by its gateway: a run fails, and nothing else."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support import proof_world as example
from support.loop_place import KEK, LoopPlace
from support.loop_world import relaxation
from support.polling import until
from support.running_gateway import alive, await_gone

from gatekeep.domain.suggestions import SuggestionLife, SuggestionState
from gatekeep.errors import LoopUnavailable
from gatekeep.loop_thinker import NICE
from gatekeep.loop_thinker_link import RUN_S, ThinkerLink

MANY = 4500
"""Events, for which a verifier of its own is started."""

GATEWAY = """
import asyncio, pathlib, pickle, sys
from gatekeep.loop_thinker_link import ThinkerLink

async def main():
    link = ThinkerLink(pickle.loads(bytes.fromhex(sys.argv[1])), dict, lambda: 1)
    reading = asyncio.ensure_future(link.read())
    while not link.pid:
        await asyncio.sleep(0.01)
    print(link.pid, flush=True)
    await reading

asyncio.run(main())
"""


@pytest.fixture
def town(tmp_path: Path) -> LoopPlace:
    """A journal of some sessions."""
    return LoopPlace(tmp_path)


def linked(town: LoopPlace, run_s: float = RUN_S) -> ThinkerLink:
    """A link whose groups are those of the example."""
    return ThinkerLink(town.place, lambda: example.MEMBERS, town.clock.wall_us, run_s=run_s)


def niceness(pid: int) -> int:
    """That of the thread which works: on Linux each has its own."""
    tids = [int(path.name) for path in Path(f"/proc/{pid}/task").iterdir()]
    return max(os.getpriority(os.PRIO_PROCESS, tid) for tid in tids)


def descendants(pid: int) -> list[int]:
    """It and whatever it started."""
    found = [pid]
    for one in found:
        children = Path(f"/proc/{one}/task/{one}/children")
        threads = Path(f"/proc/{one}/task").glob("*/children") if children.exists() else ()
        for path in threads:
            found += [int(child) for child in path.read_text().split()]
    return found


async def test_it_reads_and_thinks_in_one_process_and_goes_on_there(town: LoopPlace) -> None:
    """What is asked and answered passes; what was read before is not read again."""
    link = linked(town)
    assert link.pid == 0, "nothing is started before it is needed"
    first = await link.read()
    assert (first.verified, first.unknown) == (True, 0), "it has the keys that lie there"
    pid = link.pid
    assert pid not in {0, os.getpid()}
    assert niceness(pid) == min(19, niceness(os.getpid()) + NICE), "the gateway comes first"
    town.go_on(100)
    assert (await link.read()).next_n > first.next_n
    version, now_us = example.version(), town.clock.wall_us()
    assert await link.search(version, now_us, []) is not None
    suggestion = relaxation(rule=example.standing_rule(version))
    life = SuggestionLife(suggestion, SuggestionState.SHADOW, 1)
    assert (await link.look_back(version, now_us, life, [])).tried == 0
    assert (await link.prove(version, now_us, suggestion)).checks
    assert link.pid == pid
    await link.close()
    assert not alive(pid)


async def test_no_key_is_told_to_it(town: LoopPlace) -> None:
    """Neither by its command line, nor by its environment, nor by what it is asked: it reads it itself."""
    link = linked(town)
    await link.read()
    for name in ("cmdline", "environ"):
        assert KEK.hex().encode() not in Path(f"/proc/{link.pid}/{name}").read_bytes()
    asked = pickle.dumps(town.place)
    assert KEK not in asked
    assert KEK.hex().encode() not in asked
    await link.close()


async def test_one_that_is_killed_fails_what_it_was_asked_and_the_next_reading_begins_anew(
    town: LoopPlace,
) -> None:
    """Nothing is thought in the new one before it has read."""
    link = linked(town)
    whole = await link.read()
    killed = link.pid
    os.kill(killed, signal.SIGSTOP)
    reading = asyncio.ensure_future(link.read())
    await until(lambda: link.asked, "the question")
    os.kill(killed, signal.SIGKILL)
    with pytest.raises(LoopUnavailable, match="nothing was changed"):
        await reading
    with pytest.raises(LoopUnavailable, match="next run"):
        await link.search(example.version(), town.clock.wall_us(), [])
    assert await link.read() == whole
    assert link.pid not in {0, killed}
    await link.close()


async def test_one_that_hangs_is_given_up_and_ended(town: LoopPlace) -> None:
    """The time for a run passes, and no process is left."""
    town.silence()
    link = linked(town, run_s=1.0)
    with pytest.raises(LoopUnavailable):
        await link.read()
    assert link.pid == 0
    town.speak_again()
    await link.close()


async def test_a_gateway_that_ends_waits_for_no_reading(town: LoopPlace) -> None:
    """The process goes in the middle of it, and whoever asks afterwards starts no other."""
    town.silence()
    link = linked(town)
    reading = asyncio.ensure_future(link.read())
    await until(lambda: link.pid, "a process")
    pid = link.pid
    await link.close()
    with pytest.raises(LoopUnavailable):
        await reading
    assert not alive(pid)
    with pytest.raises(LoopUnavailable):
        await link.read()
    assert link.pid == 0


async def test_a_killed_gateway_leaves_no_orphan(tmp_path: Path) -> None:
    """In the middle of a reading, while another process verifies: both end by themselves."""
    town = LoopPlace(tmp_path, MANY)
    town.silence()
    told = pickle.dumps(town.place).hex()
    gateway = subprocess.Popen(  # noqa: ASYNC220 - a fork does not wait
        [sys.executable, "-c", GATEWAY, told], stdout=subprocess.PIPE
    )
    assert gateway.stdout is not None
    pid = int(await asyncio.to_thread(gateway.stdout.readline))
    # the process, what keeps track of what multiprocessing starts, and the verifier
    await until(lambda: len(descendants(pid)) >= 3, "a verifier", 60.0)
    all_of_them = descendants(pid)
    gateway.kill()
    await asyncio.to_thread(gateway.wait)
    await asyncio.to_thread(await_gone, all_of_them)
    gateway.stdout.close()
