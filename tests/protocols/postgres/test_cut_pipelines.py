"""The oracle for pipelines that are cut: random ones, compared with a direct connection."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from support.held_link import HeldLink
from support.postgres_link import Link, risky, run
from support.postgres_wire import Wire, frames

from gatekeep.protocols.postgres import messages as m

Connect = Callable[[], Wire]

TEXTS = [
    "select 1", "select 1 as b", "select generate_series(1, 5)", "", "begin", "commit", "rollback",
    "select 1/0", "syntax error", "insert into nowhere values (1)", "set search_path = x", "set local role pg_monitor",
    "select set_config('search_path', 'y', false)", "select set_config('search_path', 'z', true)",
    "set standard_conforming_strings = off", "reset all", "savepoint a", "rollback to a",
    "do $$ begin perform set_config('search_path', 'd', false); end $$",
    "do $$ begin raise 'no'; end $$", "deallocate all", "close all",
    "declare c cursor for select 1", "select current_user", "show search_path",
    "copy (select generate_series(1, 5)) to stdout", "copy (values (1), (1/0)) to stdout",
    "discard temp", "set session characteristics as transaction read only", "notify news",
]  # fmt: skip


def message(draw: random.Random) -> bytes:
    """Some of what a client may send."""
    name, portal = draw.choice(["", "", "a", "b"]), draw.choice(["", "", "a", "p"])
    text = draw.choice(TEXTS)
    return draw.choice(
        [
            lambda: m.parse(name, text),
            lambda: m.parse(name, text) + m.bind(portal, name) + m.execute(portal),
            lambda: m.parse(name, text) + m.bind(portal, name) + m.execute(portal),
            lambda: run(text),
            lambda: run(text),
            lambda: run(text, portal) + m.execute(portal),
            lambda: m.parse(name, text) + m.bind(portal, name) + m.describe("P", portal)
            + m.execute(portal, 2) + m.execute(portal, 2),
            lambda: m.bind(portal, name) + m.execute(portal),
            lambda: m.bind(portal, name),
            lambda: m.execute(portal, 1),
            lambda: m.describe(draw.choice("SP"), name),
            lambda: m.close(draw.choice("SP"), name),
            # A Query behind messages that no Sync has ended finds the transaction that our question
            # began; no client library mixes the two.
            lambda: m.SYNC + m.query(text),
            lambda: m.FLUSH,
            lambda: m.FLUSH,
            lambda: m.SYNC,
        ]
    )()


def answered(data: bytes) -> list[tuple[str, bytes]]:
    """Every message as the client gets it, but what differs between two sessions in any case."""
    return [
        (kind, m.read_error(body).sqlstate.encode() if kind == "E" else body)
        for kind, body in frames(data)
        if kind not in "NSA"
    ]


@pytest.mark.parametrize("seed", range(40))
def test_a_client_gets_what_it_gets_without_us(connect: Connect, seed: int) -> None:
    """Random pipelines full of changes, errors, Flushes, names and suspended portals.

    The replies are those of a direct connection, row for row; each released execution has one
    outcome; and what was submitted with a vector was read under the one that the target had.
    """
    link = Link(risky, connect())
    _alike(link, connect(), random.Random(seed))


@pytest.mark.parametrize("seed", range(20))
def test_nor_does_it_know_that_it_waits(connect: Connect, seed: int) -> None:
    """The same, where each part is held and the target kept awake meanwhile."""
    link = HeldLink(risky, connect(), seed)
    _alike(link, connect(), random.Random(1_000 + seed))
    assert link.spoken


def _alike(link: Link, direct: Wire, draw: random.Random) -> None:
    wire = link.wire
    assert wire is not None
    for number in range(10):
        data = b"".join(message(draw) for _ in range(draw.randint(1, 12))) + m.SYNC
        word = f"end of round {number}"
        end = m.query("rollback") + m.query("reset all") + m.query(f"select '{word}'")
        before = len(link.relayed)
        link.client(data + end)
        while not _over(link.relayed[before:], word) or link.conversation.backlog:
            link.target(wire.receive())
            assert not link.violations, (link.violations, data)
        direct.send(data + end)
        wanted = b""
        while not _over(wanted, word):
            wanted += direct.message()[2]
        assert answered(link.relayed[before:]) == answered(wanted), data
        assert not link.conversation.unsettled()
    released = {one.key for one in link.executions}
    settled = [turn.execution.key for turn in link.turns if hasattr(turn, "outcome")]
    assert len(settled) == len(set(settled))
    assert set(settled) <= released


def _over(data: bytes, word: str) -> bool:
    return word.encode() in data and data.endswith(m.ready_for_query("I"))
