"""What waits for a person: told in words, withdrawn by whoever leaves, and over only once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from gatekeep.domain.approvals import (
    ApprovalRequest,
    Place,
    RequestKind,
    Subject,
    Vote,
    VoteVerdict,
    Why,
)
from gatekeep.domain.commands import Assurance, SshAction
from gatekeep.gate.approval_ports import Departure
from gatekeep.proxies.ssh.bindings import Fields
from gatekeep.proxies.ssh.holding import Held, Holds, OnStderr, Silent, attend, departure_of

EXEC = SshAction("exec", "systemctl restart postgresql", ())
REQUEST = ApprovalRequest(
    "M7QA",
    Place("alice", "p-alice", "web-1", "deploy"),
    Subject(RequestKind.COMMAND, "systemctl", "systemctl restart postgresql", "exact:0"),
    Why("prod-restart", "stops a database", "abc", (("sre-lead",),)),
    "0" * 64, 1_000_000, 901_000_000,
)  # fmt: skip


class End:
    """A client's end, as far as holding looks at it."""

    def __init__(self, terminal: object = None) -> None:
        self.terminal = terminal
        self.on_signal: Callable[[str], None] = self.default
        self.look: Callable[[bytes], None] | None = None
        self.partings: list[Callable[[], None]] = []

    def default(self, _name: str) -> None:
        """Nobody listens."""

    def when_left(self, call: Callable[[], None]) -> Callable[[], None]:
        """Keep it."""
        self.partings.append(call)
        return lambda: self.partings.remove(call)

    def watch(self, look: Callable[[bytes], None] | None) -> None:
        """Keep it."""
        self.look = look


def held(
    said: list[str] | None = None, action: SshAction = EXEC, faults: list[BaseException] | None = None
) -> Held:
    """One that speaks into a list."""
    voice = OnStderr(said.extend) if said is not None else Silent()
    return Held(
        action, lambda: (("command", "0"),), voice,
        link_to=lambda request: f"https://gw.example/r/{request}",
        on_fault=(faults if faults is not None else []).append,
    )  # fmt: skip


async def test_a_client_hears_each_turn_of_it() -> None:
    """Waiting, reminded, escalated, approved: the words of the catalogue with this request's facts."""
    said: list[str] = []
    one = held(said)
    one.waiting(REQUEST, ["carol"])
    one.still_waiting(REQUEST, 780)
    one.escalated(REQUEST, ["dba-lead"])
    votes = (
        Vote("carol-2", "carol", VoteVerdict.APPROVE, "web", 2, groups=frozenset({"sre-lead"})),
        Vote("bob", "bob", VoteVerdict.DENY, "web", 2),
    )
    one.approved(replace(REQUEST, votes=votes))
    assert said == [
        "gatekeep: waiting for approval by sre-lead (carol), request M7QA, 15 min",
        "gatekeep:   systemctl restart postgresql",
        "gatekeep: stops a database · rule prod-restart · https://gw.example/r/M7QA",
        "gatekeep: nothing has run yet; Ctrl-C withdraws",
        "gatekeep: still waiting for request M7QA, 13 min left",
        "gatekeep: request M7QA now also went to dba-lead",
        "gatekeep: carol approved M7QA, running it now",
    ]


@pytest.mark.parametrize(
    ("mode", "assurance", "told"),
    [
        ("line", Assurance.INFERRED, True),
        ("line", Assurance.ATTESTED, False),
        ("sftp", Assurance.INFERRED, False),
    ],
)
async def test_only_a_line_off_the_screen_says_that_it_is_read_again(
    mode: str, assurance: Assurance, told: bool
) -> None:
    """Names of files are inferred for another reason."""
    said: list[str] = []
    held(said, replace(EXEC, mode=mode, assurance=assurance)).waiting(REQUEST, ["carol"])
    assert any("read from the screen" in line for line in said) is told


async def test_whoever_has_left_is_told_nothing_more() -> None:
    """And the first reason for leaving counts."""
    said: list[str] = []
    one = held(said)
    one.leave(Departure.CANCELLED)
    one.leave(Departure.ENDED)
    one.waiting(REQUEST, ["carol"])
    assert said == []
    assert one.departed.result() is Departure.CANCELLED


async def test_a_voice_that_fails_ends_the_waiting_and_not_the_gate() -> None:
    """Nothing of it is raised into the gate, which still has the request to close."""
    faults: list[BaseException] = []

    def broken(_lines: tuple[str, ...]) -> None:
        raise RuntimeError

    one = Held(EXEC, tuple, OnStderr(broken), on_fault=faults.append)
    one.waiting(REQUEST, ["carol"])
    assert [type(fault) for fault in faults] == [RuntimeError]
    assert one.departed.result() is Departure.ENDED


async def test_what_cannot_speak_waits_in_silence() -> None:
    """A tunnel has nowhere to say anything before it is open."""
    one = held()
    one.waiting(REQUEST, ["carol"])
    one.still_waiting(REQUEST, 60)
    one.approved(REQUEST)
    assert not one.departed.done()


async def test_what_it_is_bound_to_is_asked_for_each_time() -> None:
    """At the question and at the release; commands have no templates, and nothing to be looked up."""
    fields: list[Fields] = [(("command", "a"),), (("command", "b"),)]
    one = Held(EXEC, lambda: fields.pop(0), Silent())
    assert one.binding([0]) == (("command", "a"),)
    assert one.binding([0]) == (("command", "b"),)
    assert (one.slots(), one.around(), await one.look(), one.in_transaction) == ((), {}, {}, False)


async def test_it_is_over_once() -> None:
    """Whoever has to be told is told once, however often it is said."""
    calls: list[int] = []
    one = held()
    one.afterwards(lambda: calls.append(1))
    one.over()
    one.over()
    assert calls == [1]


async def test_all_that_waits_in_a_session_ends_with_it() -> None:
    """What comes later is not wanted either."""
    holds = Holds()
    early, late = held(), held()
    holds.add(early)
    assert holds
    holds.leave(Departure.DRAINING)
    holds.leave(Departure.ENDED)
    holds.add(late)
    assert early.departed.result() is late.departed.result() is Departure.DRAINING
    early.over()
    late.over()
    assert not holds


@pytest.mark.parametrize(
    ("reason", "departure"),
    [
        ("client left", Departure.CLIENT_LEFT),
        ("target left", Departure.TARGET_LEFT),
        ("gateway stopped", Departure.DRAINING),
        ("leaked key", Departure.ENDED),
    ],
)
def test_the_end_of_a_session_is_a_departure(reason: str, departure: Departure) -> None:
    """Sessions and requests use the same words."""
    assert departure_of(reason) is departure


@pytest.mark.parametrize("name", ["INT", "TERM", "HUP", "QUIT", "KILL"])
async def test_a_signal_that_would_stop_it_withdraws(name: str) -> None:
    """Others do not, and when it is over signals go where they went before."""
    end = End()
    one = attend(held(), end)  # type: ignore[arg-type]  # as far as it is looked at
    end.on_signal("USR1")
    assert not one.departed.done()
    end.on_signal(name)
    assert one.departed.result() is Departure.CANCELLED
    one.over()
    assert end.on_signal == end.default
    assert end.partings == []


@pytest.mark.parametrize(("typed", "leaves"), [(b"abc", False), (b"a\x03", True), (b"\x04", True)])
async def test_keys_that_leave_withdraw_on_a_terminal(typed: bytes, leaves: bool) -> None:
    """Only there: elsewhere they are bytes like others, and nobody looks at them."""
    end = End(terminal=("xterm", (80, 24, 0, 0)))
    one = attend(held(), end)  # type: ignore[arg-type]  # as far as it is looked at
    assert end.look is not None
    end.look(typed)
    assert one.departed.done() is leaves
    one.over()
    assert end.look is None
    piped = End()
    attend(held(), piped)  # type: ignore[arg-type]  # as far as it is looked at
    assert piped.look is None


async def test_a_client_that_leaves_withdraws() -> None:
    """By closing its channel, or with its connection."""
    end = End()
    one = attend(held(), end)  # type: ignore[arg-type]  # as far as it is looked at
    end.partings[0]()
    assert await asyncio.wait_for(one.departed, 1) is Departure.CLIENT_LEFT
