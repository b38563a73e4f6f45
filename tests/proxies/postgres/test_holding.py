"""A held segment by itself: what its client reads meanwhile, whom it watches, how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from support import builders
from support.held_segment import BEGIN, EXTENDED, WRITE, HeldSegment, request
from support.postgres_script import IDLE
from support.postgres_wire import frames
from support.sql_world import one

from gatekeep.domain.actions import SqlAction, SqlClass
from gatekeep.domain.approvals import Vote, VoteVerdict
from gatekeep.domain.likeness import Likeness, LikeSlot
from gatekeep.domain.sessions import Session, SessionVector
from gatekeep.gate.approval_ports import Departure
from gatekeep.gate.sight_ports import Standing
from gatekeep.protocols.postgres import messages as m
from gatekeep.protocols.sql.template import template_of
from gatekeep.proxies.postgres import holding
from gatekeep.proxies.postgres.holding import Holds, PostgresHold, wires

#: Its wires are of the tests' own kind; journeys hold statements over the compiled package.
pytestmark = pytest.mark.uncompiled


@pytest.fixture
async def story() -> AsyncIterator[HeldSegment]:
    """An extended DELETE that is held."""
    made = HeldSegment(EXTENDED)
    yield made
    made.close()


@pytest.fixture
async def fresh() -> AsyncIterator[HeldSegment]:
    """A session that holds nothing yet."""
    made = HeldSegment()
    yield made
    made.close()


def told(story: HeldSegment) -> list[dict[str, str]]:
    """The notices that the client got since it was asked last."""
    said, story.client.said = story.client.said, b""
    assert all(kind == "N" for kind, _ in frames(said))
    return [fields_of(body) for _, body in frames(said)]


def fields_of(body: bytes) -> dict[str, str]:
    """A notice's fields by their letters."""
    return {part[:1].decode(): part[1:].decode() for part in body.split(b"\0") if part}


async def test_the_client_is_told_at_once(story: HeldSegment) -> None:
    """For whom it waits, what it is, how much, why, how long, where; and CONTEXT for programs."""
    hold = story.hold()
    hold.link_to = lambda one: f"https://gw.example/r/{one}"
    hold.waiting(request({"rows_estimate": 1_204_331}), ["bob", "carol"])
    hold.over()
    (notice,) = told(story)
    assert notice == {
        "S": "NOTICE", "V": "NOTICE", "C": "00000",
        "M": "gatekeep: waiting for approval by dba (bob or carol), request K3F9",
        "D": "DELETE without WHERE on public.customers, about 1,204,331 rows. "
        "Asked by rule prod-writes-need-dba. Open for 15 min.",
        "H": "Nothing has been sent to orders-prod yet. Ctrl-C withdraws the request. "
        "https://gw.example/r/K3F9",
        "W": f"request K3F9, rule prod-writes-need-dba, policy 7f3a9c2, session {story.live.session.code}",
    }  # fmt: skip


async def test_the_client_is_told_of_its_own_locks(fresh: HeldSegment) -> None:
    """Tables that the open transaction names, each once, however it was named."""
    read = replace(WRITE, tables_written=frozenset(), tables_read=frozenset({"a.t", "b.t", "t"}))
    fresh.runs("BEGIN", "T", BEGIN)
    fresh.runs("SELECT", "T", read)
    fresh.runs("DELETE", "T", replace(WRITE, tables_written=frozenset({"customers", "public.customers"})))
    fresh.submit(EXTENDED)
    hold = fresh.hold()
    assert hold.in_transaction
    hold.waiting(request(), ["bob"])
    hold.over()
    assert told(fresh)[0]["D"].endswith(
        " Your open transaction holds locks on 3 tables, so this stays open for 15 min only."
    )


async def test_the_client_is_told_how_it_goes_on(story: HeldSegment) -> None:
    """Each minute, when others are asked, and when somebody says yes."""
    hold, asked = story.hold(), request()
    hold.still_waiting(asked, 780)
    hold.escalated(asked, ["dba-lead"])
    votes = tuple(Vote(one, one, VoteVerdict.APPROVE, "cli", 1) for one in ("bob", "carol"))
    hold.approved(replace(asked, votes=votes))
    assert [one["M"] for one in told(story)] == [
        "gatekeep: still waiting for request K3F9, 13 min left",
        "gatekeep: request K3F9 now also went to dba-lead",
        "gatekeep: bob and carol approved request K3F9, running it now",
    ]


# while it waits


async def test_the_target_is_spoken_to_at_once_and_each_second(
    story: HeldSegment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not while an answer is out, and no more once it is over."""
    monkeypatch.setattr(holding, "AWAKE_S", 0.0)
    hold = story.hold()
    hold.waiting(request(), ["bob"])
    assert story.target.said == m.SYNC
    for count in (2, 3):
        story.talk.receive_target(IDLE)
        while len(story.target.said) < count * len(m.SYNC):
            await asyncio.sleep(0)
    hold.over()
    story.talk.receive_target(IDLE)
    for _ in range(5):
        await asyncio.sleep(0)
    assert story.target.said == m.SYNC * 3


@pytest.mark.parametrize("when", ["before", "meanwhile"])
async def test_a_client_that_leaves_is_noticed(story: HeldSegment, when: str) -> None:
    """Though nobody reads it, and also where it left before anybody looked."""
    hold = story.hold()
    if when == "before":
        story.client.eof_received()
    hold.waiting(request(), ["bob"])
    if when == "meanwhile":
        story.client.connection_lost(None)
    assert hold.departed.result() is Departure.CLIENT_LEFT
    hold.over()


async def test_a_client_that_left_behind_what_is_not_read_is_noticed(
    story: HeldSegment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel is asked each second."""
    monkeypatch.setattr(holding, "AWAKE_S", 0.0)
    gone: list[bool] = []
    monkeypatch.setattr(type(story.client), "has_left", lambda _wire: bool(gone))
    hold = story.hold()
    hold.waiting(request(), ["bob"])
    await asyncio.sleep(0)
    assert not hold.departed.done()
    gone.append(True)
    assert await asyncio.wait_for(hold.departed, 5) is Departure.CLIENT_LEFT
    hold.over()


@pytest.mark.parametrize("when", ["before", "meanwhile"])
async def test_a_target_that_leaves_is_noticed(story: HeldSegment, when: str) -> None:
    """As a client is."""
    hold = story.hold()
    if when == "before":
        story.target.eof_received()
    hold.waiting(request(), ["bob"])
    if when == "meanwhile":
        story.target.connection_lost(None)
    assert hold.departed.result() is Departure.TARGET_LEFT
    hold.over()


async def test_nobody_is_watched_once_it_is_over(story: HeldSegment) -> None:
    """Whoever leaves then is the session's affair."""
    hold = story.hold()
    hold.waiting(request(), ["bob"])
    hold.over()
    story.client.eof_received()
    story.target.eof_received()
    assert not hold.departed.done()


class Sights:
    """Finds out what it was told to."""

    async def look(
        self, session: Session, action: SqlAction, standing: Standing
    ) -> dict[str, object]:
        """The session and the action, and how it stands."""
        return {"who": session.account, "text": action.text, "unproven": standing.unproven}


async def test_what_it_would_touch_is_found_out(
    story: HeldSegment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one statement; a fault is no sight, and never ends the question."""
    hold = story.hold()
    assert await hold.look() == {}
    hold.sights = Sights()
    seen = await hold.look()
    assert (seen["who"], seen["text"]) == ("app_rw", "DELETE FROM customers")
    monkeypatch.setattr(story.knowledge, "standing", None)
    assert await hold.look() == {}


# the session's side


async def test_the_first_reason_counts(story: HeldSegment) -> None:
    """A session that ends cannot un-cancel what was cancelled."""
    holds = held_by(story)
    assert not holds.cancel()
    hold = begin(holds, story)
    assert holds.cancel()
    holds.leave("client left")
    assert hold.departed.result() is Departure.CANCELLED
    assert holds.cancelled
    holds.answered()
    assert not holds.cancelled
    await holds.over(5)


@pytest.mark.parametrize(
    ("reason", "departure"),
    [
        ("client left", Departure.CLIENT_LEFT), ("client fault", Departure.CLIENT_LEFT),
        ("target left", Departure.TARGET_LEFT), ("target fault", Departure.TARGET_LEFT),
        ("gateway stopped", Departure.DRAINING), ("suspected leak", Departure.ENDED),
    ],
)  # fmt: skip
async def test_why_a_session_ends_is_why_nothing_is_wanted(
    story: HeldSegment, reason: str, departure: Departure
) -> None:
    """Told before or after the hold began."""
    holds = held_by(story)
    hold = begin(holds, story)
    holds.leave(reason)
    holds.answered()
    late = begin(holds, story, reason)
    assert hold.departed.result() is late.departed.result() is departure


async def test_the_request_that_was_open_is_remembered(story: HeldSegment) -> None:
    """While it waits; not before anybody was asked, and not once it was decided."""
    holds = held_by(story)
    hold = begin(holds, story)
    hold.waiting(request(), ["bob"])
    holds.leave("client left")
    hold.over()
    holds.leave("client left")
    assert holds.withdrawn == "K3F9"
    decided = held_by(story)
    hold = begin(decided, story)
    decided.leave("client left")
    hold.waiting(request(), ["bob"])
    hold.over()
    decided.leave("client left")
    assert decided.withdrawn == ""


def held_by(story: HeldSegment) -> Holds:
    """The holds of its session."""
    return Holds(
        story.live, story.wires, story.talk, story.knowledge, lambda _request: "", None
    )


def begin(holds: Holds, story: HeldSegment, leaving: str = "") -> PostgresHold:
    """It waits."""
    assert story.segment is not None
    return holds.begin(story.segment, story.actions, leaving)


# what it has in common with its like


LIKE = Likeness("delete from customers where id = $1:int", (LikeSlot("int", "7"),))


@pytest.fixture
def plain(fresh: HeldSegment) -> HeldSegment:
    """A deletion by number that is held, in a session that nobody has changed anything in."""
    template = template_of("DELETE FROM customers WHERE id = 7")
    fresh.facts = replace(WRITE, template=template)
    fresh.submit(m.query("DELETE FROM customers WHERE id = 7"))
    told = {"DateStyle": "ISO, MDY", "IntervalStyle": "postgres", "TimeZone": "UTC"}
    fresh.talk.told(told)
    fresh.wires = replace(fresh.wires, read_as=told)
    return fresh


async def test_an_untouched_session_s_statement_is_like_others(plain: HeldSegment) -> None:
    """One likeness a place."""
    assert plain.hold().likenesses([0]) == [LIKE]
    assert plain.hold().likenesses([]) == []


@pytest.mark.parametrize("name", ["DateStyle", "IntervalStyle", "TimeZone"])
async def test_a_way_of_reading_values_that_changed_is_another(plain: HeldSegment, name: str) -> None:
    """Set later, or chosen by the client as it connected."""
    hold = plain.hold()
    plain.talk.told({name: "another"})
    assert hold.likenesses([0]) == [None]
    plain.wires = replace(plain.wires, read_as=None)
    assert plain.hold().likenesses([0]) == [None]


@pytest.mark.parametrize(
    "changes",
    [
        {"search_path": "evil, public"}, {"role": "app"}, {"row_security": "off"},
        {"session_replication_role": "replica"}, {"temp_objects": True},
        {"standard_conforming_strings": "off"}, {"client_encoding": "LATIN1"},
    ],
)  # fmt: skip
async def test_a_vector_that_is_not_the_pinned_one_has_no_likeness(
    plain: HeldSegment, changes: dict[str, Any]
) -> None:
    """Whoever changed it, and whether by a SET or by code; nor has one that is not known."""
    rereading = plain.talk._rereading
    rereading.vector = replace(SessionVector(), **changes)
    assert plain.hold().likenesses([0]) == [None]
    rereading.vector = None
    assert plain.hold().likenesses([0]) == [None]


async def test_reading_only_changes_nothing_of_what_a_statement_means(plain: HeldSegment) -> None:
    """A session that may only read, or a read-only transaction."""
    plain.talk._rereading.vector = replace(SessionVector(), transaction_read_only="on")
    assert plain.hold().likenesses([0]) == [LIKE]


async def test_uncommitted_changes_of_the_schema_leave_no_likeness(plain: HeldSegment) -> None:
    """What no look-up of the catalogue can see may be anything."""
    ddl = builders.facts(SqlClass.DDL, "CREATE TABLE", vector_safe=False)
    plain.knowledge.goes_out(builders.action("CREATE TABLE t ()", ddl), vector_safe=False)
    assert plain.hold().likenesses([0]) == [None]
    plain.knowledge.transaction_over()
    assert plain.hold().likenesses([0]) == [LIKE]


async def test_a_setting_that_code_may_read_takes_leave_for_good(plain: HeldSegment) -> None:
    """Row security reads it whenever it was set; where it ran, nothing takes that back."""
    fact = one("SET app.tenant = '7'")
    plain.knowledge.goes_out(builders.action("SET app.tenant = '7'", fact), vector_safe=True)
    plain.knowledge.transaction_over()
    assert plain.hold().likenesses([0]) == [None]


async def test_without_a_catalogue_there_is_no_likeness(plain: HeldSegment) -> None:
    """Nobody knows then what an untouched session's search_path is."""
    plain.knowledge._reader._catalogues.view = None
    assert plain.hold().likenesses([0]) == [None]


def test_the_start_says_how_values_are_read() -> None:
    """As the target reported it, where the client chose nothing of it; else nobody knows."""
    link = SimpleNamespace(
        parameters={"TimeZone": "UTC", "server_version": "18"}, tls=None, key=None, wire=None,
        dial=SimpleNamespace(host="h", port=1),
    )  # fmt: skip
    own = wires(None, link, None, {"application_name"})  # type: ignore[arg-type]  # what is used of them
    assert own.read_as == {"DateStyle": "", "IntervalStyle": "", "TimeZone": "UTC"}
    for chosen in "TimeZone", "datestyle", "IntervalStyle", "app.tenant", "xmloption":
        assert wires(None, link, None, {chosen}).read_as is None  # type: ignore[arg-type]  # as above
