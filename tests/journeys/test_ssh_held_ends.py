"""What waits over SSH, and then its gateway drains, its target goes or its client goes: one story each.

Real ssh before a real sshd, read afterwards with `audit search` by the request's id.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.opened_journal import events
from support.ssh_journey import until
from support.ssh_people import People, people
from support.ssh_target import SshTarget
from support.ssh_terminal import Terminal, terminal

from gatekeep.domain.approvals import ApprovalRequest

pytestmark = pytest.mark.journey


@pytest.fixture
def target() -> Iterator[SshTarget]:
    """A machine of this test's own, that may go away."""
    made = SshTarget()
    yield made
    made.stop()


@pytest.fixture
def place(target: SshTarget, tmp_path: Path) -> Iterator[People]:
    """A gateway that asks about touch."""
    with people(target, tmp_path) as made:
        yield made


def drains(place: People) -> None:
    """As at a stop: no new sessions, and what waits is not waited for."""

    async def drain() -> None:
        app = place.served._app
        assert app is not None
        app._parts.ssh.sessions.drain()

    place.served.wait(drain())


def story(place: People, request: ApprovalRequest, reason: str) -> None:
    """Asked, withdrawn and refused, in that order and nothing else; nothing is there on the target."""
    assert place.ended(request) == "withdrawn"
    found: list[dict[str, object]] = []

    def refused() -> bool:
        found[:] = [
            {"kind": one["envelope"]["k"], **one["payload"]}
            for one in events(place.gateway, f"request:{request.id}")
        ]
        return found[-1]["kind"] == "action.refused"

    until(refused, "it is recorded as refused")
    assert [one["kind"] for one in found] == [
        "approval.requested", "action.requested", "approval.withdrawn", "action.refused",
    ]  # fmt: skip
    asked, action, ended, command = found
    assert asked["request"] == ended["request"] == request.id
    assert action["approval"] == command["approval"] == request.id
    assert ended["reason"] == reason
    assert list(place.files.iterdir()) == []


def at_a_line(place: People, person: Terminal) -> ApprovalRequest:
    """A line of a shell that waits."""
    person.type(b"echo be''gun\r")
    person.until(rb"begun")
    person.type(f"touch {place.files}/made\r".encode())
    person.until(rb"Ctrl-C withdraws")
    return place.asked()


def test_a_gateway_that_drains_under_a_command(place: People) -> None:
    """It says to come again, ends 126, and standard output is empty."""
    with place.running(place.way.line("ssh", "web-1", f"touch {place.files}/made")) as client:
        request = place.asked()
        drains(place)
        done = client.answer()
    assert (done.code, done.out) == (126, b"")
    assert done.err.decode().splitlines()[-2:] == [
        f"gatekeep: the gateway is restarting, request {request.id} was withdrawn",
        "gatekeep: nothing was run; connect again and repeat it",
    ]
    story(place, request, "gateway stopped")


def test_a_session_that_is_ended_under_a_command(place: People) -> None:
    """By an operator: the client reads why, and that nothing was run."""
    with place.running(place.way.line("ssh", "web-1", f"touch {place.files}/made")) as client:
        request = place.asked()
        code = request.place.session_code
        killed = place.gateway.run("sessions", "kill", code, "--reason", "leaked key")
        assert killed.returncode == 0, killed.stderr
        done = client.answer()
    assert done.out == b""
    assert b"ended this session: leaked key" in done.err
    story(place, request, "session ended")


def test_a_gateway_that_drains_under_a_line(place: People) -> None:
    """The same in a shell."""
    with terminal(place.way.line("ssh", "-tt", "web-1"), 30, 120) as person:
        request = at_a_line(place, person)
        drains(place)
        person.until(rb"the gateway is restarting")
        story(place, request, "gateway stopped")


def test_a_target_that_goes_under_a_line(place: People, target: SshTarget) -> None:
    """The machine is gone while its shell's line waits: the request is withdrawn, and so is named."""
    with terminal(place.way.line("ssh", "-tt", "web-1"), 30, 120) as person:
        request = at_a_line(place, person)
        target.stop()
        assert person.end() == 255
    story(place, request, "target left")


def test_a_target_that_is_gone_when_the_yes_comes(place: People, target: SshTarget) -> None:
    """A command waits before its target is dialled: approved, released, and it could not be run."""
    with place.running(place.way.line("ssh", "web-1", f"touch {place.files}/made")) as client:
        request = place.asked()
        target.stop()
        place.approve(request)
        done = client.answer()
    assert done.code not in {0, None}
    assert done.out == b""
    assert list(place.files.iterdir()) == []
    (released,) = events(place.gateway, f"request:{request.id} kind:action.released")
    assert released["outcome"]["outcome"] != "done"


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGKILL])
def test_a_client_that_goes(place: People, sign: signal.Signals) -> None:
    """Asked to end, or without a word."""
    with place.running(place.way.line("ssh", "web-1", f"touch {place.files}/made")) as client:
        request = place.asked()
        client.process.send_signal(sign)
        client.process.wait(60)
    story(place, request, "client left")
