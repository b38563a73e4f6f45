"""The running journal under random schedules of load, lack of space and its return."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from support.live_journal import Bench, open_events, read_events

from gatekeep.domain.events import EventKind, Receipt
from gatekeep.errors import JournalUnavailable
from gatekeep.journal.chain import Chain
from gatekeep.journal.encoding import leaf_hash
from gatekeep.journal.live import LiveJournal


class _Load:
    """Sessions that come, ask, and end; remembers every word the journal gave."""

    def __init__(self, journal: LiveJournal, source: random.Random) -> None:
        self.journal = journal
        self.source = source
        self.receipts: dict[int, str] = {}
        self.refused: list[bool] = []

    async def session(self, number: int) -> None:
        """One session from opening to closing, giving up at the first refusal."""
        stream = self.journal.open_stream(
            session_id=f"{number:032x}", subject=f"person {number % 3}", target="shop"
        )
        if not await self._say(stream, EventKind.SESSION_OPENED, b"{}"):
            return
        for _ in range(self.source.randrange(8)):
            size = self.source.choice((10, 800, 9000))
            released = await self._say(stream, EventKind.ACTION_RELEASED, b"r" * size)
            if released is None:
                break
            await self._say(
                stream, EventKind.ACTION_FINISHED, b"{}", counters=b'{"of":%d}' % released.n
            )
        await self._say(stream, EventKind.SESSION_CLOSED, b"{}")

    async def _say(
        self, stream: Chain, kind: EventKind, payload: bytes, counters: bytes = b""
    ) -> Receipt | None:
        try:
            receipt = await self.journal.append(stream, kind, payload, counters=counters).durable()
        except JournalUnavailable as error:
            self.refused.append(error.fatal)
            return None
        assert receipt.n not in self.receipts
        self.receipts[receipt.n] = kind.value
        return receipt


async def _run(bench: Bench, source: random.Random) -> _Load:
    async with bench.journal() as journal:
        load = _Load(journal, source)
        for round_ in range(6):
            bench.disk.space = source.choice((None, 0, 0, 300_000))
            await asyncio.gather(*(load.session(round_ * 100 + k) for k in range(30)))
        bench.disk.heal()
    return load


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_the_space_does_the_log_is_whole(tmp_path: Path, seed: int) -> None:
    """Each receipt names its event, no event is there twice, every chain holds, every seal opens."""
    bench = Bench(tmp_path / "spool")
    load = await _run(bench, random.Random(seed))
    events = read_events(bench.spool)
    assert [event.envelope["n"] for event in events] == list(range(len(events)))
    kinds = {event.n: event.kind for event in events}
    assert load.receipts.items() <= kinds.items()
    own = [kind for n, kind in kinds.items() if n not in load.receipts]
    assert own in (["log.genesis"], ["log.genesis", "session.closed"])
    chains: dict[str, tuple[int, str]] = {}
    for event in events:
        session = event.envelope["s"]
        expected = chains.get(session, (0, ""))
        assert (event.envelope["q"], event.envelope["p"]) == expected
        assert bool(event.extra) == (expected[0] == 0)
        chains[session] = (expected[0] + 1, leaf_hash(event.leaf).hex())
        if event.kind == "action.finished":
            assert kinds[event.envelope["r"]["of"]] == "action.released"
    open_events(bench)
    assert not any(load.refused)
    assert not bench.deaths
    assert bench.status == [0]
