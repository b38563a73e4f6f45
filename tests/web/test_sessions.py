"""Sessions over the API: who sees which, what is told of one, and how one is ended."""

from __future__ import annotations

import os
from typing import Any

import aiohttp
import pytest
from support.api_world import ALICE, CAROL, World
from support.recorded_world import SHELL, STATEMENTS, Story, shell_session, statement_session

from gatekeep.domain.events import EventKind
from gatekeep.domain.sessions import session_code

OPEN = "0b" * 16


@pytest.fixture
def story(world: World) -> Story:
    """A shell and a Postgres session that ended, one of carol's own, and an open one of alice."""
    made = Story(world)
    shell_session(made)
    statement_session(made)
    made.opened("ca" * 16, principal="carol")
    made.add("ca" * 16, "session.aborted", {"reason": "the gateway stopped without closing it"})
    made.opened(OPEN)
    made.live(OPEN)
    return made


async def _get(http: aiohttp.ClientSession, path: str, **query: str) -> dict[str, Any]:
    answer = await http.get(path, params=query)
    assert answer.status == 200, await answer.text()
    return dict(await answer.json())


async def test_open_and_ended_sessions_are_listed(
    http: aiohttp.ClientSession, story: Story
) -> None:
    """`past` adds what ended, newest first, with how it ended; the open one is not there twice."""
    said = await _get(http, "/v1/sessions")
    assert [row["id"] for row in said["sessions"]] == [OPEN]
    assert "past" not in said
    said = await _get(http, "/v1/sessions", past="1")
    assert [(row["id"], row["state"]) for row in said["past"]] == [
        ("ca" * 16, "aborted"),
        (STATEMENTS, "closed"),
        (SHELL, "closed"),
    ]
    shell = said["past"][-1]
    assert (shell["principal"], shell["target"], shell["protocol"]) == ("alice", "web-1", "ssh")
    assert (shell["duration_us"], shell["reason"]) == (5_000_000, "client")
    assert said["before"] is None
    assert [kind for kind, _, _ in story.world.recorded] == [EventKind.AUDIT_READ]


async def test_lists_are_filtered_and_paged(http: aiohttp.ClientSession, story: Story) -> None:
    """By principal, target and protocol; `before` goes on where the page ended."""
    said = await _get(http, "/v1/sessions", past="1", principal="alice", protocol="postgres")
    assert [row["id"] for row in said["past"]] == [STATEMENTS]
    assert said["sessions"] == []
    said = await _get(http, "/v1/sessions", past="1", target="web-2")
    assert said["past"] == said["sessions"] == []
    page = await _get(http, "/v1/sessions", past="1", limit="1")
    rest = await _get(http, "/v1/sessions", past="1", before=str(page["before"]))
    assert [row["id"] for row in page["past"] + rest["past"]] == ["ca" * 16, STATEMENTS, SHELL]
    assert [row["state"] for row in rest["past"]] == ["closed", "closed"]


async def test_without_the_right_one_sees_ones_own(
    http: aiohttp.ClientSession, story: Story
) -> None:
    """An engineer lists and shows her own sessions, without a trace, and nobody else's."""
    story.world.people.uids[os.getuid()] = ALICE
    said = await _get(http, "/v1/sessions", past="1")
    assert [row["id"] for row in said["past"]] == [STATEMENTS, SHELL]
    assert (await http.get("/v1/sessions?past=1&principal=carol")).status == 403
    assert (await _get(http, f"/v1/sessions/{SHELL}"))["session"]["id"] == SHELL
    assert story.world.recorded == []
    refusals = [await http.get(f"/v1/sessions/{name}") for name in ("ca" * 16, "ee" * 16)]
    assert [answer.status for answer in refusals] == [403, 403]
    assert await refusals[0].json() == await refusals[1].json()


async def test_one_session_is_shown_whole(http: aiohttp.ClientSession, story: Story) -> None:
    """Facts, events with outcomes in order, and what was recorded of each channel, but no chunk."""
    said = await _get(http, f"/v1/sessions/{session_code(SHELL)}")
    kinds = [event["envelope"]["k"] for event in said["events"]]
    assert kinds == ["session.opened", "action.released", "action.finished", "session.closed"]
    assert said["recordings"] == [
        {
            "channel": 0, "codec": "records.zstd", "chunks": 2, "final": True,
            "started_us": 1_760_000_000_000_000, "duration_us": 61_500_000, "columns": 80,
            "rows": 24, "output": 35, "errors": 0, "sha256": said["recordings"][0]["sha256"],
        }
    ]  # fmt: skip
    kind, payload, decision = story.world.recorded[0]
    assert (kind, payload["query"]) == (EventKind.AUDIT_READ, f"session:{SHELL}")
    assert decision["decision"] == "allow"


async def test_names_may_be_short_while_unique(http: aiohttp.ClientSession, story: Story) -> None:
    """A code or id may be cut; two that begin so, none, and nonsense each have their words."""
    assert (await _get(http, "/v1/sessions/5e5e"))["session"]["id"] == SHELL
    code = session_code(OPEN)
    assert (await _get(http, f"/v1/sessions/{code[:6].lower()}"))["session"]["state"] == "open"
    story.opened("5e5e" + "0" * 28)
    many = await http.get("/v1/sessions/5e5e")
    assert many.status == 404
    assert "more than one" in (await many.json())["error"]["what"]
    assert (await http.get("/v1/sessions/dddd")).status == 404
    for name in ("S-", "x", "S-8QZ4U", "5e5*", "a" * 33, "%1b[2J"):
        assert (await http.get(f"/v1/sessions/{name}")).status == 400, name


async def test_nothing_is_shown_that_was_not_recorded(
    http: aiohttp.ClientSession, story: Story
) -> None:
    """When the reading cannot be recorded, what others did stays hidden."""
    story.world.journal_down = True
    for path in (f"/v1/sessions/{SHELL}", "/v1/sessions?past=1"):
        answer = await http.get(path)
        assert answer.status == 503
        assert "alice" not in await answer.text()


async def test_killing_needs_a_right_a_reason_and_an_open_session(
    http: aiohttp.ClientSession, story: Story
) -> None:
    """The client is told why and by whom; the event has the reason; what ended cannot be ended."""
    reasons = story.live(OPEN)
    where = f"/v1/sessions/{OPEN}/kill"
    assert (await http.post(where, json={"reason": "leaked key"})).status == 403
    story.world.rules.gateway.add(("security", "session.kill"))
    for body in ({}, {"reason": " "}, {"reason": 1}, {"reason": "x" * 201}):
        assert (await http.post(where, json=body)).status == 400
    assert reasons == []
    answer = await http.post(where, json={"reason": "leaked \x1b[2J key"})
    assert await answer.json() == {
        "session": OPEN, "code": session_code(OPEN), "recorded": True
    }  # fmt: skip
    assert reasons == ["leaked \\x1b[2J key (carol)"]
    kind, payload, _ = story.world.recorded[0]
    assert kind is EventKind.SESSION_KILLED
    assert (payload["of"], payload["session"], payload["principal"]) == ("alice", OPEN, CAROL.name)
    for gone in (SHELL, "ee" * 16):
        assert (await http.post(f"/v1/sessions/{gone}/kill", json={"reason": "x"})).status == 404


async def test_a_session_is_killed_even_if_that_cannot_be_recorded(
    http: aiohttp.ClientSession, story: Story
) -> None:
    """Taking a right away never waits for the journal, and the answer says what is missing."""
    reasons = story.live(OPEN)
    story.world.rules.gateway.add(("security", "session.kill"))
    story.world.journal_down = True
    answer = await http.post(f"/v1/sessions/{OPEN}/kill", json={"reason": "leaked key"})
    assert (await answer.json())["recorded"] is False
    assert reasons == ["leaked key (carol)"]
