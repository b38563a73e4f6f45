"""`gatekeep approvals`: what waits for a person, and saying yes or no."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from gatekeep.cli import standing_in
from gatekeep.cli.approving import Wanted, decide
from gatekeep.cli.asked import COLUMNS, DECIDED, PIPED, row
from gatekeep.cli.requests import RequestId, pages, show_request
from gatekeep.cli.tokens import seconds
from gatekeep.cli.verbs import Call, noun, verb

app = noun("Requests that wait for a person: look at them, approve, deny.")

Reason = Annotated[str, typer.Option("--reason", help="Why; the asker reads it.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask; needs --digest.")]
Digest = Annotated[
    str, typer.Option("--digest", help="First 12 digits or more of what was read.")
]
CodeFile = Annotated[
    Path | None, typer.Option("--code-file", help="A file with the authenticator's code.")
]


class Status(enum.StrEnum):
    """What `--status` may say."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    ALL = "all"


class Reach(enum.StrEnum):
    """What `--scope` may say."""

    ONCE = "once"
    TEMPLATE = "template"
    SESSION = "session"
    ACCESS = "access"


_STATES: Final = {Status.ALL: None}


@verb(
    app,
    "ls",
    examples=(
        "gatekeep approvals ls",
        "gatekeep approvals ls --status denied --principal alice",
        "gatekeep approvals ls --search customers -o json",
    ),
)
def ls(
    call: Call,
    *,
    status: Annotated[Status, typer.Option("--status", help="Those in it.")] = Status.PENDING,
    principal: Annotated[str | None, typer.Option("--principal", help="Asked by.")] = None,
    target: Annotated[str | None, typer.Option("--target", help="On this target.")] = None,
    search: Annotated[str | None, typer.Option("--search", help="With this in the text.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000)] = 100,
) -> None:
    """List the requests that you may see: those that wait, unless told otherwise."""
    query: dict[str, Any] = {"principal": principal, "target": target, "q": search}
    found = pages(call, limit, state=_STATES.get(status, status.value), **query)
    waiting = COLUMNS if call.screen.surface.terminal else PIPED
    columns = waiting if status is Status.PENDING else DECIDED
    call.screen.rows(columns, [row(one) for one in found], whole=found)


@verb(app, "show", examples=("gatekeep approvals show K3F9",))
def show(call: Call, request_id: RequestId) -> None:
    """Show one request whole: all that would run, its digest, why it is asked, who may decide."""
    show_request(call, request_id)


@verb(
    app,
    "approve",
    examples=(
        'gatekeep approvals approve K3F9 --reason "agreed in OPS-412"',
        "gatekeep approvals approve K3F9 --scope template --for 30m --free 2",
        "gatekeep approvals approve K3F9 --yes --digest 9c41d07be2aa --code-file code",
    ),
)
def approve(  # noqa: PLR0913 - one for each option of the verb
    call: Call,
    request_id: RequestId,
    *,
    reason: Reason = "",
    scope: Annotated[
        Reach | None, typer.Option("--scope", help="How far it reaches; once, unless told.")
    ] = None,
    lasts: Annotated[str, typer.Option("--for", help="How long a wider one lasts: 30m.")] = "",
    free: Annotated[
        list[int] | None, typer.Option("--free", min=0, help="A value that may be another.")
    ] = None,
    yes: Yes = False,
    digest: Digest = "",
    code_file: CodeFile = None,
) -> int | None:
    """Approve what you are shown: the whole text comes first, then the question.

    High risk takes a code from your authenticator. In a script: --yes with the --digest of what
    was read.
    """
    wanted = Wanted(
        "approve", reason, yes, digest, code_file, scope.value if scope else "",
        seconds(lasts) if lasts else 0, tuple(free or ()),
    )  # fmt: skip
    return decide(call, request_id, wanted)


@verb(
    app,
    "deny",
    examples=(
        'gatekeep approvals deny K3F9 --reason "run it on the replica first"',
        'gatekeep approvals deny K3F9 --yes --digest 9c41d07be2aa --reason "not today"',
    ),
)
def deny(
    call: Call,
    request_id: RequestId,
    *,
    reason: Reason = "",
    yes: Yes = False,
    digest: Digest = "",
) -> int | None:
    """Deny what you are shown, with a reason that the asker reads."""
    return decide(call, request_id, Wanted("deny", reason, yes, digest))


standing_in.mount(app)
