"""`gatekeep request`: leave asked for ahead of time, and what became of one's own requests."""

from __future__ import annotations

import math
import re
import string
import time
from datetime import datetime
from typing import Annotated, Any, Final

import typer

from gatekeep.cli.asked import DECIDED, row, show
from gatekeep.cli.exits import Exit, Stop
from gatekeep.cli.output import Format, visible
from gatekeep.cli.tokens import seconds
from gatekeep.cli.verbs import Call, noun, verb
from gatekeep.domain.approvals import ID_ALPHABET, ID_DIGITS
from gatekeep.messages import asked as words

PATH: Final = "/api/v1/requests"
_WAIT_S: Final = 20
_US: Final = 1_000_000
_ENDS: Final = {"approved": Exit.DONE, "pending": Exit.STILL_WAITING}
_ID: Final = re.compile(rf"[{ID_ALPHABET}]{{1,16}}")

app = noun("Requests for approval: ask ahead of time, and see what became of yours.")

RequestId = Annotated[str, typer.Argument(help="Its id, such as K3F9.")]


def request_path(request_id: str) -> str:
    """The address of a request. Raises Stop for what no request can be called."""
    wanted = request_id.strip().upper()
    if not _ID.fullmatch(wanted):
        raise Stop(
            f"{request_id!r} is not the id of a request",
            advice="gatekeep approvals ls lists those that wait",
            code=Exit.NOT_FOUND,
        )
    return f"{PATH}/{wanted}"


def is_request(text: str) -> bool:
    """Whether a request may be called so."""
    return _ID.fullmatch(text.upper()) is not None and len(text) >= ID_DIGITS


def pages(call: Call, limit: int, **query: Any) -> list[dict[str, Any]]:
    """Requests that fit, newest first, at most `limit`."""
    found: list[dict[str, Any]] = []
    before: str | None = None
    while len(found) < limit:
        wanted = min(limit - len(found), 100)
        said = call.gateway.get(PATH, **query, limit=wanted, before=before)
        found += said["requests"]
        before = said["before"]
        if before is None:
            break
    return found


@verb(
    app,
    "new",
    examples=(
        "gatekeep request new --target orders-prod --account app_rw --for 2h --reason 'OPS-412'",
        "gatekeep request new --target orders-prod --statement 'TRUNCATE staging' --wait",
        "gatekeep request new --target web-1 --command 'systemctl restart nginx' --wait --timeout 10m",
    ),
)
def new(  # noqa: PLR0913 - one for each option of the verb
    call: Call,
    *,
    target: Annotated[str, typer.Option("--target", help="Where.")],
    account: Annotated[str, typer.Option("--account", help="As whom; if there is only one.")] = "",
    statement: Annotated[
        str | None, typer.Option("--statement", help="This SQL, exactly; else access.")
    ] = None,
    command: Annotated[
        str | None, typer.Option("--command", help="This line, exactly; else access.")
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why; the approvers read it.")] = "",
    ticket: Annotated[str, typer.Option("--ticket", help="A ticket that says more.")] = "",
    lasts: Annotated[str, typer.Option("--for", help="How long it is to last: 90s, 2h.")] = "",
    start: Annotated[
        str, typer.Option("--start", help="From when: 2026-11-12T14:00, or with an offset.")
    ] = "",
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for the answer; exit 0, 6 or 7.")
    ] = False,
    timeout: Annotated[
        str, typer.Option("--timeout", help="How long to wait: 10m; else as long as it is open.")
    ] = "",
) -> int | None:
    """Ask ahead of time: for a target, or for one statement or command.

    With --wait: exit 0 when it was approved, 6 when it was denied, expired or withdrawn, 7 when
    nobody has answered within --timeout.
    """
    if statement is not None and command is not None:
        raise Stop(
            "name a statement or a command, not both", advice="ask twice", code=Exit.USAGE
        )
    body: dict[str, Any] = {
        "target": target,
        "account": account,
        "reason": reason,
        "ticket": ticket,
        "for_s": seconds(lasts) if lasts else 0,
        "starts_us": moment(start) if start else 0,
    }
    body |= {"statement": statement} if statement is not None else {}
    body |= {"command": command} if command is not None else {}
    limit_s = seconds(timeout) if timeout else None
    asked = call.gateway.post(PATH, body)
    _print(call, asked)
    name = visible(asked["id"])
    if not wait:
        call.screen.say(f"◆ {name} waits for approval", following=f"gatekeep request show {name}")
        return None
    try:
        ended = awaited(call, asked["id"], limit_s)
    except KeyboardInterrupt:
        call.screen.say(
            f"\n{name} still waits; nobody has answered it",
            following=f"gatekeep request cancel {name}",
        )
        raise
    return told(call, ended)


def _print(call: Call, request: dict[str, Any]) -> None:
    if call.screen.format is not Format.TABLE:
        call.screen.document(request)
    elif call.screen.surface.terminal:
        show(call.screen, request)
    else:
        call.screen.rows(DECIDED, [row(request)])
    call.screen.flush()


def awaited(call: Call, request_id: str, limit_s: int | None) -> dict[str, Any]:
    """The request once it is decided, or when the time is over."""
    began = time.monotonic()
    while True:
        passed = time.monotonic() - began
        left = None if limit_s is None else max(0.0, limit_s - passed)
        step = _WAIT_S if left is None else min(math.ceil(left), _WAIT_S)
        said: dict[str, Any] = call.gateway.get(f"{PATH}/{request_id}", wait_s=step)
        if said["state"] != "pending" or (left is not None and left <= step):
            return said
        if time.monotonic() - began - passed < 1:
            time.sleep(1)  # the gateway lets nobody wait just now


def told(call: Call, request: dict[str, Any]) -> int:
    """Say how a request ended; the exit code that this means."""
    name, state = visible(request["id"]), request["state"]
    by, because = visible(request["decided_by"]), visible(words.because(request["decision_reason"]))
    if state == "approved":
        call.screen.say(f"● {by} approved {name}{because}", following="gatekeep grants ls")
    elif state == "denied":
        call.screen.say(f"■ {by} denied {name}{because}")
    elif state == "expired":
        call.screen.say(f"{name} was not answered in time and is closed")
    elif state == "withdrawn":
        call.screen.say(f"{name} was withdrawn by {by or 'the gateway'}{because}")
    else:
        call.screen.say(f"◆ {name} still waits", following=f"gatekeep request show {name}")
    return _ENDS.get(state, Exit.DECIDED_OTHERWISE)


def moment(text: str) -> int:
    """A moment such as `2026-11-12T14:00` (local) or with an offset, in µs UTC. Raises Stop."""
    try:
        return int(datetime.fromisoformat(text.strip(string.whitespace)).timestamp() * _US)
    except (ValueError, OverflowError, OSError):
        raise Stop(
            f"{text!r} is no moment", advice="--start 2026-11-12T14:00", code=Exit.USAGE
        ) from None


@verb(app, "ls", examples=("gatekeep request ls", "gatekeep request ls --status denied -o json"))
def ls(
    call: Call,
    *,
    status: Annotated[str | None, typer.Option("--status", help="Only these: pending …")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000)] = 100,
) -> None:
    """List what you asked for, newest first, whatever became of it."""
    me = call.gateway.get("/v1/whoami")["principal"]["name"]
    found = pages(call, limit, principal=me, state=status)
    call.screen.rows(DECIDED, [row(one) for one in found], whole=found)


@verb(app, "show", examples=("gatekeep request show K3F9",))
def show_one(call: Call, request_id: RequestId) -> None:
    """Show one request: the whole text, why it is asked, the votes, what came of it."""
    show_request(call, request_id)


def show_request(call: Call, request_id: str) -> None:
    """Print one request; also what `gatekeep show K3F9` does."""
    show(call.screen, call.gateway.get(request_path(request_id)))


@verb(app, "cancel", examples=("gatekeep request cancel K3F9 --reason 'found another way'",))
def cancel(
    call: Call,
    request_id: RequestId,
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept with it.")] = "",
) -> None:
    """Withdraw your own request."""
    done = call.gateway.post(f"{request_path(request_id)}/withdraw", {"reason": reason})
    name = visible(done["request"]["id"])
    call.screen.say(f"● {name} is withdrawn", following="gatekeep request ls")

