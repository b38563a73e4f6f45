"""Random sequences of a client's messages, played through our protocol code and directly.

The server itself is the oracle: where nothing is refused, a client must not be able to tell one
from the other. One seed is one sequence; connections are shared by the sequences of a group, so
that names, portals and open transactions of one meet the next.
"""

from __future__ import annotations

import contextlib
import json
import random
import time
from collections.abc import Callable
from pathlib import Path

from support.postgres_link import Link
from support.postgres_wire import Wire, shape

from gatekeep.messages import WireMessage
from gatekeep.protocols.postgres import messages as m
from gatekeep.protocols.postgres.conversation import Execution, Refused, Released, Verdict

GROUP = 20
"""Sequences that share a pair of connections."""
TABLES = """
create table if not exists il_taken (n int);
create or replace function il_refuse() returns trigger language plpgsql as
  $$ begin raise exception 'no rows today'; end $$;
create table if not exists il_closed (n int);
create or replace trigger t before insert on il_closed execute function il_refuse();
create table if not exists il_picky (n int);
create or replace trigger t before insert on il_picky for each row when (new.n = 13)
  execute function il_refuse();
"""

_NO = WireMessage("42501", "gatekeep: no")
_IDLE = m.ready_for_query("I")
_END = m.SYNC + m.query("rollback") + m.query("select 'end of round'")
_DONE = m.frame(b"c")
_TEXTS = (
    "select 1", "select generate_series(1, 5)", "", "begin", "commit", "rollback", "select 1/0",
    "syntax error", "insert into nowhere values (1)", "set work_mem = '1MB'", "deallocate all",
    "savepoint a", "rollback to a", "close all", "declare c cursor for select 1", "fetch 1 from c",
    "select 1; select 2", "begin; select 1/0", "select 1; commit; select 3", "discard all",
    "do $$ begin raise notice 'gatekeep: pay here'; end $$", "select repeat('x', 9000)",
    "copy (select generate_series(1, 5)) to stdout", "copy (values (1), (1/0)) to stdout",
    "copy (select 1) to stdout; select 2; copy (select '') to stdout (format binary)",
    "prepare a as select 4", "execute a", "notify il", "listen il", "select n from il_taken limit 3",
    "insert into il_picky values (13)", "insert into il_taken values (7)",
)  # fmt: skip
_DENIED = "select 'denied'"
_ENDINGS = ("commit", "rollback", "rollback to a")
_CHANGES = ("set ", "do ", "discard ", "execute ")


class Judge:
    """Refuses what says so, and what must wait for the session vector; `refused` counts them.

    Knows a COPY by its words, as the proxy does by its facts: what is opaque may be one that
    gives rows, and never one that takes them.
    """

    def __init__(self) -> None:
        self.refused = 0

    def __call__(self, execution: Execution) -> Verdict:
        """The verdict."""
        text = execution.text
        if "denied" in text or (execution.vector is None and text not in _ENDINGS):
            self.refused += 1
            return Refused(_NO)
        opaque = execution.unknown_source or text.startswith("execute")
        copies = 1 if opaque else text.count("to stdout")
        # In a pipeline whatever follows such a one would have to be refused.
        changes = execution.mode == "simple" and text.startswith(_CHANGES)
        return Released(changes, copies_out=copies, copies_in=text.count("from stdin"))


def _row(text: str) -> bytes:
    return m.frame(b"d", text.encode())


def _rows(draw: random.Random) -> bytes:
    """What a client sends while it believes that its rows are taken, up to an end."""
    good = [_row("1\n"), _row("2\n3\n"), _row("13\n"), _row(""), _row("4"), _row("\n"), m.FLUSH, m.SYNC]
    bad = [_row("x\n"), _row("\\.\n")]
    some = [draw.choice(bad if draw.random() < 0.08 else good) for _ in range(draw.randint(0, 7))]
    return b"".join(some) + draw.choice([_DONE, _DONE, _DONE, m.copy_fail("enough")])


def _copy(draw: random.Random, table: str) -> bytes:
    """COPY FROM STDIN in either protocol, with its rows."""
    text = f"copy {table} from stdin"
    way = draw.randrange(7)
    if way < 3:
        return m.query(text) + _rows(draw)
    if way == 3:
        return m.query(f"select 1; {text}; select 2; {text}") + _rows(draw) + _rows(draw)
    sync = draw.choice([b"", m.SYNC, m.SYNC, m.FLUSH, m.SYNC + m.SYNC])
    asked = m.close("S", "k") + m.close("P", "k") + m.parse("k", text) + m.bind("k", "k") + m.execute("k")
    return asked + sync + _rows(draw) + draw.choice([b"", m.SYNC, m.SYNC, m.FLUSH])


def _query(text: str) -> bytes:
    """A Query. One after which the session vector is read back does not stand in an open pipeline.

    PostgreSQL 18 itself answers what comes behind such a pipeline with an internal error (XX000),
    and our question in between mends that. `test_cutting` has the plain case.
    """
    return (m.SYNC if text.startswith(_CHANGES) else b"") + m.query(text)


def _message(draw: random.Random, texts: tuple[str, ...]) -> bytes:
    """Anything else, in any order."""
    name, other = draw.choice(["", "", "a", "b"]), draw.choice(["", "", "a", "p"])
    text = draw.choice(texts)
    return draw.choice(
        [
            lambda: _query(text),
            lambda: m.parse(name, text),
            lambda: m.parse(name, text) + m.bind(other, name),
            lambda: m.parse(name, text) + m.bind(other, name) + m.execute(other),
            lambda: m.bind(other, name),
            lambda: m.bind(other, name) + m.describe("P", other) + m.execute(other, 2),
            lambda: m.execute(other),
            lambda: m.execute(other, 1),
            lambda: m.describe(draw.choice("SP"), name),
            lambda: m.close(draw.choice("SP"), name),
            lambda: m.FLUSH,
            lambda: m.SYNC,
            lambda: m.SYNC,
            lambda: draw.choice([_DONE, _row("1\n"), m.copy_fail("what?")]),
        ]
    )()


def sequence(seed: int, *, copy_in: bool = True) -> tuple[bytes, list[int]]:
    """What the client sends, and where it is cut: the seed decides both."""
    draw = random.Random(seed)
    refusing = draw.random() < 0.1
    texts = (*_TEXTS, _DENIED) if refusing else _TEXTS
    parts = []
    for _ in range(draw.randint(1, 9)):
        if copy_in and draw.random() < 0.3:
            table = draw.choice(["taken", "taken", "taken", "picky", "closed", "nowhere"])
            parts.append(_copy(draw, f"il_{table}"))
        else:
            parts.append(_message(draw, texts))
    data = b"".join(parts) + _END
    cuts = sorted(draw.sample(range(1, len(data)), draw.choice([0, 0, 1, 4])))
    return data, [*cuts, len(data)]


def _over(data: bytes) -> bool:
    return b"end of round" in data and data.endswith(_IDLE)


def directly(wire: Wire, data: bytes, cuts: list[int] | None = None) -> tuple[bytes, bool]:
    """The server's own answer to all of it, and whether the server closed the connection.

    It may: an EXECUTE of a ROLLBACK TO that a Parse prepared is FATAL to it, and an Execute of the
    unnamed portal that a Query left in a failed transaction kills PostgreSQL 18.4.
    """
    start, answer = 0, b""
    try:
        for stop in cuts or [len(data)]:
            wire.send(data[start:stop])
            start = stop
        while not _over(answer):
            answer += wire.message()[2]
    except ConnectionError:
        return answer, True
    return answer, False


def through(link: Link, data: bytes, cuts: list[int]) -> tuple[bytes, bool]:
    """The same by way of our protocol code."""
    assert link.wire is not None
    before, start = len(link.relayed), 0
    try:
        for stop in cuts:
            link.client(data[start:stop])
            link.drain()
            assert not link.violations, link.violations
            start = stop
        while not _over(link.relayed[before:]) or link.conversation.backlog:
            link.target(link.wire.receive())
            assert not link.violations, link.violations
    except ConnectionError:
        return link.relayed[before:], True
    assert not link.conversation.unsettled()
    return link.relayed[before:], False


def _alike(mine: list[str], theirs: list[str], ended: bool, closed: bool) -> bool:
    """The same replies; of a server that went down in the middle some may have been lost."""
    if ended and closed:
        seen = min(len(mine), len(theirs))
        return mine[:seen] == theirs[:seen]
    return mine == theirs and not ended and not closed


def _connected(connect: Callable[[], Wire]) -> Wire:
    """A connection, as soon as a server that went down is up again."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return connect()
        except (OSError, AssertionError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def compare_group(
    connect: Callable[[], Wire],
    first: int,
    count: int = GROUP,
    link_of: Callable[[Judge, Wire], Link] = Link,
) -> None:
    """The sequences of one group: the same replies as from the server, and every execution settles.

    After a refusal states differ, so the rest of the group only has to keep the protocol.
    """
    judge = Judge()
    link, direct = link_of(judge, _connected(connect)), _connected(connect)
    try:
        for seed in range(first, first + count):
            data, cuts = sequence(seed)
            try:
                mine, ended = through(link, data, cuts)
                theirs, closed = directly(direct, data)
                assert judge.refused or _alike(shape(mine), shape(theirs), ended, closed)
            except (AssertionError, OSError) as broken:
                raise AssertionError(f"sequences {first} to {seed}: {broken}: {data!r}") from broken
            if ended or closed:
                return
        assert len(link.outcomes) == len(link.executions) or judge.refused
        assert b"Mgatekeep: pay" not in link.relayed
    finally:
        for wire in (link.wire, direct):
            if wire is not None:
                with contextlib.suppress(OSError):
                    wire.close()


class Progress:
    """How far a long run is, kept in a file: a run that was stopped goes on from there."""

    def __init__(self, path: Path, wanted: int) -> None:
        self._path = path
        self._wanted = wanted
        held = json.loads(path.read_text()) if path.exists() else {}
        self.done = int(held.get("done", 0)) if held.get("done", 0) < wanted else 0
        self._before = float(held.get("seconds", 0)) if self.done else 0.0
        self._began = time.monotonic()

    def step(self, count: int) -> None:
        """So many more are done."""
        self.done += count
        seconds = self._before + time.monotonic() - self._began
        told = {
            "done": self.done, "of": self._wanted, "seconds": round(seconds, 1),
            "per_second": round(self.done / max(seconds, 0.001), 1),
        }  # fmt: skip
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(told))
