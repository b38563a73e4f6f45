"""`gatekeep request`: asking ahead of time, waiting for the answer, and each way that it can end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from support.api_callers import AskingGateway
from support.api_world import ALICE as SMALL_ALICE
from support.api_world import released
from support.approval_world import START_US
from support.gateway_thread import Gatekeep
from support.terminal import on_terminal

from gatekeep.cli.exits import Exit
from gatekeep.cli.requests import moment
from gatekeep.domain.approvals import RequestState, Scope, VoteVerdict
from gatekeep.gate.approval_ports import Ballot

NEW = ("request", "new", "--target", "orders", "--account", "app")


@contextmanager
def answered(asking: AskingGateway, *arguments: str) -> Iterator[None]:
    """Meanwhile somebody answers the first request that waits: `(name, verb, …)`."""
    name, verb, reason = arguments

    def answer() -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            found = asking.wait(asking.world.desk.requests(state=RequestState.PENDING))
            if found and asking.wait(_waited(asking)):
                asking.wait(_said(asking, found[0].id, name, verb, reason))
                return

    thread = threading.Thread(target=answer)
    thread.start()
    yield
    thread.join(30)
    assert not thread.is_alive()


async def _waited(asking: AskingGateway) -> int:
    approvals = asking.world.needs().approvals
    assert approvals is not None
    return approvals.waits._count


async def _said(asking: AskingGateway, request_id: str, name: str, verb: str, reason: str) -> None:
    world = asking.world
    principal = world.people.principal(name)
    assert principal is not None
    if verb == "withdraw":
        await world.desk.withdraw(request_id, principal, reason)
        return
    if verb == "expire":
        world.clock.pass_s(3600)
        await world.parts.desk.tick()
        return
    request = await world.desk.request(request_id)
    assert request is not None
    ballot = Ballot(
        VoteVerdict(verb), request.digest, "web", reason=reason, mfa=True, scope=Scope.ACCESS
    )
    cast = await world.desk.cast(request_id, principal, ballot)
    assert cast.counted, cast.words


def test_a_request_is_asked_and_listed(asking: AskingGateway, as_: Gatekeep) -> None:
    """One line in a pipe, one document in JSON; it stands in one's own list, not in others'."""
    told = as_("alice", *NEW, "--for", "2h", "--reason", "OPS-412", "--ticket", "OPS-412")
    assert told.code == 0
    fields = told.out.rstrip("\n").split("\t")
    assert fields[1:5:2] == ["pending", "alice"]
    assert fields[5].startswith("access to orders as app for ")
    assert f"◆ {fields[0]} waits for approval" in told.err
    shown = json.loads(as_("alice", "request", "show", fields[0], "-o", "json").out)
    assert (shown["grant_s"], shown["reason"], shown["facts"]["ticket"]) == (
        7200, "OPS-412", "OPS-412",
    )  # fmt: skip
    one = json.loads(as_("alice", *NEW, "--statement", "TRUNCATE x", "-o", "json").out)
    assert (one["kind"], one["text"]) == ("statement", "TRUNCATE x")
    listed = as_("alice", "request", "ls").out.splitlines()
    assert [line.split("\t")[0] for line in listed] == [one["id"], fields[0]]
    assert as_("bob", "request", "ls").out == ""


def test_a_request_is_cancelled_by_its_asker(asking: AskingGateway, as_: Gatekeep) -> None:
    """Others may not: exit 3; a second time is too late: exit 6."""
    name = json.loads(as_("alice", *NEW, "-o", "json").out)["id"]
    assert as_("bob", "request", "cancel", name).code == Exit.NOT_ALLOWED
    told = as_("alice", "request", "cancel", name, "--reason", "a slip")
    assert (told.code, f"● {name} is withdrawn" in told.err) == (0, True)
    assert as_("alice", "request", "cancel", name).code == Exit.DECIDED_OTHERWISE
    assert "withdrawn by alice at" in as_("alice", "show", name).out


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (("bob", "approve", "fine"), Exit.DONE, "● bob approved"),
        (("bob", "deny", "not today"), Exit.DECIDED_OTHERWISE, "■ bob denied"),
        (("bob", "expire", ""), Exit.DECIDED_OTHERWISE, "was not answered in time"),
        (("alice", "withdraw", "a slip"), Exit.DECIDED_OTHERWISE, "was withdrawn by alice"),
    ],
)
def test_waiting_ends_as_it_was_decided(
    asking: AskingGateway, as_: Gatekeep, answer: tuple[str, str, str], code: Exit, words: str
) -> None:
    """The request is printed first; then 0, or 6 for any other end, at once."""
    with answered(asking, *answer):
        told = as_("alice", *NEW, "--wait", "--timeout", "10m")
    assert told.code == code
    assert told.out.count("\n") == 1
    assert words in told.err
    if answer[2] and answer[1] != "withdraw":
        assert answer[2] in told.err


def test_waiting_in_vain_is_7(asking: AskingGateway, as_: Gatekeep) -> None:
    """When the time is over it waits still, and says how one goes on."""
    told = as_("alice", *NEW, "--wait", "--timeout", "1s")
    assert told.code == Exit.STILL_WAITING
    name = told.out.split("\t")[0]
    assert f"◆ {name} still waits   next: gatekeep request show {name}" in told.err


def test_an_interrupted_wait_says_that_it_goes_on_waiting(asking: AskingGateway) -> None:
    """Ctrl-C is 130; the request is not withdrawn by it, and one is told how to do that."""
    with subprocess.Popen(
        [
            sys.executable, "-m", "gatekeep.cli.main", *NEW, "--wait",
            "--state", str(asking.state), "--token-file", str(asking.token_file("alice")),
        ],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as child:  # fmt: skip
        try:
            assert child.stdout is not None
            name = child.stdout.readline().split("\t")[0]
            deadline = time.monotonic() + 20
            while not asking.wait(_waited(asking)):
                assert time.monotonic() < deadline
            child.send_signal(signal.SIGINT)
            _, err = child.communicate(timeout=20)
        finally:
            child.kill()
    assert child.returncode == Exit.INTERRUPTED
    assert f"gatekeep request cancel {name}" in err
    assert "Traceback" not in err
    found = asking.wait(asking.world.desk.request(name))
    assert found is not None
    assert found.state is RequestState.PENDING


def test_on_a_terminal_the_whole_request_is_shown(asking: AskingGateway) -> None:
    """As approvers will see it."""
    code, written = on_terminal(
        asking.state, *NEW, "--statement", "TRUNCATE x",
        "--token-file", str(asking.token_file("alice")),
    )  # fmt: skip
    assert code == 0
    assert "alice on orders (account app), digest " in written
    assert "    TRUNCATE x" in written


@pytest.mark.parametrize(
    "arguments",
    [
        ("request", "new"),
        (*NEW, "--statement", "a", "--command", "b"),
        (*NEW, "--for", "soon"),
        (*NEW, "--wait", "--timeout", "soon"),
        (*NEW, "--start", "tomorrow"),
        (*NEW, "--statement", "?"),
    ],
)
def test_wrong_usage_is_2(
    asking: AskingGateway, as_: Gatekeep, arguments: tuple[str, ...]
) -> None:
    """And nothing was asked."""
    assert as_("alice", *arguments).code == Exit.USAGE
    assert asking.wait(asking.world.desk.requests()) == []


def test_what_may_not_be_asked_is_3(asking: AskingGateway, as_: Gatekeep) -> None:
    """No such target and no right to it are the same words."""
    told = as_("alice", "request", "new", "--target", "nowhere", "--account", "app")
    assert told.code == Exit.NOT_ALLOWED
    assert 'no target "nowhere"' in told.err
    told = as_("bob", *NEW)
    assert (told.code, 'no target "orders"' in told.err) == (Exit.NOT_ALLOWED, True)


def test_a_time_of_beginning(asking: AskingGateway, as_: Gatekeep) -> None:
    """By RFC 3339 or in local time."""
    assert moment("2026-11-12T14:00:00+01:00") == 1_794_488_400_000_000
    assert abs(moment("2026-11-12T14:00") - 1_794_492_000_000_000) <= 14 * 3_600_000_000
    told = as_("alice", *NEW, "--start", "2030-01-01T00:00:00Z", "-o", "json")
    assert json.loads(told.out)["starts_us"] == 1_893_456_000_000_000 > START_US


def test_show_understands_every_id(asking: AskingGateway, as_: Gatekeep) -> None:
    """Requests, sessions, events, grants, reviews, in any case; else exit 5."""
    world: Any = asking.world
    name = json.loads(as_("alice", *NEW, "-o", "json").out)["id"]
    asking.soon(lambda: world.archive.add(released(0)))
    asking.soon(lambda: world.open_session(SMALL_ALICE, "a"))
    assert as_("alice", "show", name.lower()).out.startswith(f"{name}  ◆ waiting")
    assert "select 1" in as_("sam", "show", "0").out
    code = as_("alice", "sessions", "ls").out.split("\t")[0]
    assert "principal: alice" in as_("alice", "show", code).out
    for unknown in ("ZZZZ", "G-0000", "R-0000", "7", "???"):
        assert as_("sam", "show", unknown).code == Exit.NOT_FOUND
