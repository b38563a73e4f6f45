"""Random interleavings against the real server as the oracle (12-threats H2)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.held_link import HeldLink
from support.interleavings import (
    GROUP,
    TABLES,
    Judge,
    Progress,
    compare_group,
    directly,
    sequence,
)
from support.postgres_link import Link
from support.postgres_server import PostgresServer
from support.postgres_wire import Wire, shape

from gatekeep.protocols.postgres import messages as m

Connect = Callable[[], Wire]
_PROGRESS = Path("build") / "interleavings.json"
_WHOLE = pytest.param(100_000, id="whole", marks=pytest.mark.soak)


@pytest.fixture
def fresh(postgres_server: PostgresServer) -> Connect:
    """Makes connections that their user closes."""
    server = postgres_server

    def one() -> Wire:
        return Wire(server.host, server.port, server.user, server.password, "postgres")

    setup = one()
    setup.exchange(m.query(TABLES))
    setup.close()
    return one


@pytest.mark.parametrize("count", [pytest.param(200, id="small"), _WHOLE])
def test_no_interleaving_tells_us_from_the_server(
    fresh: Connect, count: int, tmp_path: Path
) -> None:
    """Simple and extended, errors, portals, COPY both ways, Syncs and Flushes anywhere: one reply stream.

    The whole size keeps its progress in build/interleavings.json and goes on from there.
    """
    progress = Progress(_PROGRESS if count > 1_000 else tmp_path / "progress.json", count)
    while progress.done < count:
        compare_group(fresh, progress.done)
        progress.step(GROUP)
    assert progress.done == count


def test_what_is_held_changes_nothing_for_the_client(fresh: Connect) -> None:
    """The same, where the target is spoken to before every verdict: the client never knows."""
    links: list[HeldLink] = []

    def held(judge: Judge, wire: Wire) -> Link:
        links.append(HeldLink(judge, wire, len(links)))
        return links[-1]

    for first in range(0, 10 * GROUP, GROUP):
        compare_group(fresh, first, link_of=held)
    assert sum(link.spoken for link in links) > 100


def test_two_direct_connections_agree(fresh: Connect) -> None:
    """The oracle is one: the server's answer turns on the bytes alone, not on how they are cut."""
    one, other = fresh(), fresh()
    for seed in range(1_000_000, 1_000_100):
        data, _ = sequence(seed)
        pieces = [*range(1, len(data), 7), len(data)]
        whole, cut = directly(one, data), directly(other, data, pieces)
        assert (shape(whole[0]), whole[1]) == (shape(cut[0]), cut[1]), data
        if whole[1]:
            one, other = fresh(), fresh()
    one.close()
    other.close()


def test_every_kind_of_step_is_among_the_sequences() -> None:
    """What the proof claims to interleave is in it, COPY FROM STDIN with every end too."""
    whole = b"".join(sequence(seed)[0] for seed in range(500))
    for step in (
        m.SYNC, m.FLUSH, m.frame(b"c"), m.copy_fail("enough"), m.close("P", "a"), m.execute("p", 1),
        b"to stdout", b"from stdin", b"select 1/0", b"rollback to a", b"x\n", b"fetch 1",
    ):  # fmt: skip
        assert step in whole
    assert b"'denied'" in whole
    without = b"".join(sequence(seed, copy_in=False)[0] for seed in range(300))
    assert b"from stdin" not in without


def test_a_run_that_was_stopped_goes_on(tmp_path: Path) -> None:
    """What is done counts, and a finished run begins again."""
    path = tmp_path / "progress.json"
    Progress(path, 40).step(20)
    assert Progress(path, 40).done == 20
    Progress(path, 40).step(20)
    assert Progress(path, 40).done == 0
