"""Large texts are read elsewhere: alike, while others go on, and not to the death of anybody."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import pytest
from support import builders

from gatekeep.domain.actions import NameKind, Naming, SqlClass
from gatekeep.domain.catalogue import CatalogueView
from gatekeep.domain.sessions import SessionVector
from gatekeep.protocols.sql.guard import MAX_BYTES, MEDIUM, SMALL
from gatekeep.proxies.postgres.parsing import Parser
from gatekeep.runtime.offload import Offload
from gatekeep.runtime.work_process import WorkProcess

VIEW = CatalogueView("one", 180000, "")
VECTOR = SessionVector()


def listed(size: int) -> str:
    """A SELECT of about so many characters."""
    return "SELECT 1 WHERE 1 IN (" + ", ".join(["1"] * (size // 3)) + ")"


@pytest.mark.parametrize("size", [100, SMALL + 10, MEDIUM + 10, 100_000, MAX_BYTES + 10])
async def test_a_text_means_the_same_wherever_it_is_read(size: int) -> None:
    """On the loop, on a thread, in a process: the same facts, those behind names included."""
    offload, process = Offload(), WorkProcess()
    alone, apart = Parser(offload), Parser(offload, [process])
    session = builders.session()
    for text, behind in (
        (listed(size), None),
        ("EXECUTE p", {Naming(NameKind.STATEMENT, "p"): f"PREPARE p AS {listed(size)}"}),
    ):
        here = await alone.read(session, VECTOR, text, VIEW, behind)
        there = await apart.read(session, VECTOR, text, VIEW, behind)
        assert here == there
    assert (process.pid > 0) is (MEDIUM < size < MAX_BYTES)
    offload.close()
    await process.close()


async def test_nobody_waits_while_a_large_text_is_read() -> None:
    """The loop turns all the time: its longest pause is a small part of what the reading takes."""
    offload, process = Offload(), WorkProcess()
    parser = Parser(offload, [process])
    session = builders.session()
    await parser.read(session, VECTOR, listed(MEDIUM + 10), VIEW, None)
    shares = []
    for _ in range(3):
        began = last = time.perf_counter()
        longest = 0.0
        reading = asyncio.ensure_future(parser.read(session, VECTOR, listed(240_000), VIEW, None))
        while not reading.done():
            await asyncio.sleep(0)
            longest = max(longest, time.perf_counter() - last)
            last = time.perf_counter()
        (facts,) = await reading
        assert facts.sql_class is SqlClass.READ
        shares.append(longest / (time.perf_counter() - began))
    assert min(shares) < 0.2
    offload.close()
    await process.close()


async def test_a_text_that_its_parser_does_not_survive_is_one_opaque_statement() -> None:
    """The process dies, the statement is not understood, and the next one is."""
    offload, process = Offload(), WorkProcess()
    parser = Parser(offload, [process])
    session = builders.session()
    await parser.read(session, VECTOR, listed(MEDIUM + 10), VIEW, None)
    secret = "'" + "s" * 30_000 + "'"
    reading = asyncio.ensure_future(
        parser.read(session, VECTOR, f"SELECT {secret}, {listed(200_000)}", VIEW, None)
    )
    await asyncio.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    (facts,) = await reading
    assert facts.sql_class is SqlClass.OPAQUE
    assert facts.unproven == "its parser died"
    assert "sss" not in facts.redacted
    (facts,) = await parser.read(session, VECTOR, listed(MEDIUM + 10), VIEW, None)
    assert facts.sql_class is SqlClass.READ
    offload.close()
    await process.close()
