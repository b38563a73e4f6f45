"""Work in a process of its own: results, failures, deaths, and what it keeps."""

from __future__ import annotations

import asyncio
import math
import operator
import os
import pickle
import signal
import struct
import sys
import time

import pytest

from gatekeep.runtime.work_process import Kept, WorkLost, WorkProcess


async def test_work_is_done_elsewhere_and_comes_back() -> None:
    """Another process, the same one for the next piece; nothing runs before the first."""
    work = WorkProcess()
    assert work.pid == 0
    first = await work.run(os.getpid)
    assert first == work.pid != os.getpid()
    assert await work.run(operator.add, "a" * 5_000_000, "b") == "a" * 5_000_000 + "b"
    assert await work.run(os.getpid) == first
    await work.close()
    assert work.pid == 0
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)


async def test_a_failure_passes_through_and_the_process_works_on() -> None:
    """The caller sees the function's own exception."""
    work = WorkProcess()
    with pytest.raises(ValueError, match="math domain"):
        await work.run(math.sqrt, -1)
    assert await work.run(math.sqrt, 4) == 2
    await work.close()


async def test_what_is_printed_there_is_no_answer() -> None:
    """Nor what is written past Python: it goes where diagnostics go."""
    work = WorkProcess()
    await work.run(print, "words")
    assert await work.run(os.write, 1, b"bytes\n") == 6
    assert await work.run(math.sqrt, 16) == 4
    await work.close()


async def test_a_death_is_told_and_the_next_work_gets_another_process() -> None:
    """What it had in its hands is lost; nothing else is."""
    work = WorkProcess()
    with pytest.raises(WorkLost):
        await work.run(signal.raise_signal, signal.SIGKILL)
    assert await work.run(math.sqrt, 9) == 3
    await work.close()


async def test_what_takes_too_long_is_ended() -> None:
    """The limit passes, the process is killed, and the next one is fresh."""
    work = WorkProcess(limit_s=0.3)
    with pytest.raises(WorkLost):
        await work.run(time.sleep, 60)
    assert work.pid == 0
    await work.close()


async def test_one_piece_of_work_may_have_a_limit_of_its_own() -> None:
    """In place of that for all."""
    work = WorkProcess()
    with pytest.raises(WorkLost):
        await work.run(time.sleep, 60, limit_s=0.3)
    await work.close()


async def test_it_is_killed_in_the_middle_of_its_work_and_never_started_again() -> None:
    """Whoever waits for it is told, and so is whoever comes later."""
    work = WorkProcess()
    pid = await work.run(os.getpid)
    working = asyncio.ensure_future(work.run(time.sleep, 60))
    await asyncio.sleep(0)
    await work.kill()
    with pytest.raises(WorkLost):
        await working
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(WorkLost):
        await work.run(os.getpid)
    assert work.pid == 0


async def test_it_ends_in_the_middle_of_its_work_when_nobody_is_there_any_more() -> None:
    """However whoever started it ended: its standard input ends, and so does it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from gatekeep.runtime.work_process import main; main()",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    work = pickle.dumps((time.sleep, (3600,)))
    process.stdin.writelines((struct.pack(">Q", len(work)), work))
    await process.stdin.drain()
    process.stdin.close()
    assert await process.wait() == 0


async def test_a_caller_that_leaves_takes_its_answer_with_it() -> None:
    """The next caller never gets the answer to somebody else's question."""
    work = WorkProcess()
    assert await work.run(abs, -1) == 1
    asking = asyncio.ensure_future(work.run(time.sleep, 60))
    await asyncio.sleep(0.05)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await work.run(abs, -7) == 7
    await work.close()


async def test_what_is_kept_is_sent_once() -> None:
    """By its key, the most recent eight; a new process is told anew."""
    work = WorkProcess()
    large = Kept("one", list(range(1000)))
    assert await work.run(len, large) == 1000
    assert await work.run(len, Kept("one", [])) == 1000, "the key says that it is the same"
    for number in range(8):
        assert await work.run(len, Kept(f"other {number}", [0])) == 1
    assert await work.run(len, Kept("one", [1, 2])) == 2, "it was forgotten on both sides"
    with pytest.raises(WorkLost):
        await work.run(signal.raise_signal, signal.SIGKILL)
    assert await work.run(len, large) == 1000
    await work.close()


async def test_what_could_not_be_sent_is_not_taken_to_be_kept() -> None:
    """An argument that cannot be pickled fails its own call; the next one sends what it keeps."""
    work = WorkProcess()
    assert await work.run(abs, -1) == 1
    with pytest.raises(AttributeError):
        await work.run(operator.add, Kept("one", [0]), lambda: None)
    assert await work.run(len, Kept("one", [0])) == 1
    await work.close()


async def test_many_at_once_each_get_their_own() -> None:
    """They wait their turn."""
    work = WorkProcess()
    answers = await asyncio.gather(*(work.run(math.sqrt, n * n) for n in range(50)))
    assert answers == list(range(50))
    await work.close()
