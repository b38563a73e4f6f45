"""The rest of `gatekeep approvals`: who votes in whose place, who is on call, reviews afterwards."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

import typer

from gatekeep.cli.exits import Exit, Stop
from gatekeep.cli.output import Column, Kind, visible
from gatekeep.cli.requests import moment
from gatekeep.cli.tokens import seconds
from gatekeep.cli.verbs import Call, verb

_DELEGATIONS: Final = "/api/v1/delegations"
_REVIEWS: Final = "/api/v1/reviews"
_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_DELEGATION_COLUMNS: Final = (
    Column("ID", "id"),
    Column("OF", "principal"),
    Column("TO", "delegate"),
    Column("GROUPS", "groups"),
    Column("FROM", "starts_us", Kind.TIME),
    Column("UNTIL", "ends_us", Kind.TIME),
    Column("ENDED", "ended_us", Kind.TIME),
    Column("REASON", "reason"),
)
_REVIEW_COLUMNS: Final = (
    Column("ID", "id"),
    Column("GRANT", "grant"),
    Column("WHO", "principal"),
    Column("TARGET", "target"),
    Column("ACCOUNT", "account"),
    Column("OPENED", "opened_us", Kind.TIME),
    Column("REASON", "reason"),
    Column("CLOSED BY", "closed_by"),
    Column("FINDING", "finding"),
)
_CALL_COLUMNS: Final = (
    Column("GROUP", "group"),
    Column("ASKS", "persons"),
    Column("SAYS", "source"),
    Column("UNTIL", "until_us", Kind.TIME),
)


def path_of(base: str, name: str, kind: str) -> str:
    """The address of one thing by its id. Raises Stop for what none can be called."""
    if not _ID.fullmatch(name):
        raise Stop(f"{name!r} is not the id of a {kind}", code=Exit.NOT_FOUND)
    return f"{base}/{name}"


def delegate(
    call: Call,
    principal: Annotated[str, typer.Argument(help="Who is to vote in your place.")],
    *,
    lasts: Annotated[str, typer.Option("--for", help="How long: 8h, 14d.")],
    group: Annotated[
        list[str] | None, typer.Option("--group", help="For this group only; may be repeated.")
    ] = None,
    start: Annotated[str, typer.Option("--start", help="From when; else at once.")] = "",
    reason: Annotated[str, typer.Option("--reason", help="Why; kept with it.")] = "",
) -> None:
    """Let another vote in your place for a time. He never votes on what you ask yourself."""
    made = call.gateway.post(
        _DELEGATIONS,
        {
            "to": principal,
            "for_s": seconds(lasts),
            "groups": group or [],
            "starts_us": moment(start) if start else 0,
            "reason": reason,
        },
    )
    name = visible(made["id"])
    call.screen.say(
        f"● {visible(made['delegate'])} votes in your place ({name})",
        following=f"gatekeep approvals undelegate {name}",
    )


def delegations(
    call: Call,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Those that ended, too.")] = False,
) -> None:
    """List whom you let vote in your place, and in whose you may."""
    said = call.gateway.get(_DELEGATIONS, which="all" if everything else "live")
    call.screen.rows(_DELEGATION_COLUMNS, said["delegations"])


def undelegate(
    call: Call, name: Annotated[str, typer.Argument(help="Its id.")]
) -> None:
    """End a delegation at once."""
    ended = call.gateway.delete(path_of(_DELEGATIONS, name, "delegation"))
    call.screen.say(
        f"■ {visible(ended['delegate'])} votes in the place of"
        f" {visible(ended['principal'])} no more",
        following="gatekeep approvals delegations",
    )


def reviews(
    call: Call,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Closed ones, too.")] = False,
) -> None:
    """List the uses of break-glass that somebody has to look at."""
    said = call.gateway.get(_REVIEWS, which="all" if everything else "open")
    call.screen.rows(_REVIEW_COLUMNS, said["reviews"])


def show_review(call: Call, name: str) -> None:
    """Print one review; also what `gatekeep show R-…` does."""
    said: dict[str, Any] = call.gateway.get(_REVIEWS, which="all")
    found = [one for one in said["reviews"] if one["id"].upper() == name.upper()]
    if not found:
        advice = "gatekeep approvals reviews --all lists them"
        raise Stop(f"no review {name}", advice=advice, code=Exit.NOT_FOUND)
    call.screen.record(_REVIEW_COLUMNS, found[0])


def review(
    call: Call,
    name: Annotated[str, typer.Argument(help="Its id.")],
    *,
    finding: Annotated[str, typer.Option("--finding", help="What was found.")],
) -> None:
    """Close a review: somebody else than who broke the glass says what was found."""
    if not finding.strip():
        raise Stop("--finding is empty", advice='--finding "was needed"', code=Exit.USAGE)
    done = call.gateway.post(f"{path_of(_REVIEWS, name, 'review')}/close", {"finding": finding})
    call.screen.say(
        f"● review {visible(done['id'])} is closed", following="gatekeep approvals reviews"
    )


def on_call(call: Call) -> None:
    """Show whom each group asks at this moment, and who says so."""
    call.screen.rows(_CALL_COLUMNS, call.gateway.get("/api/v1/oncall")["groups"])


def mount(app: typer.Typer) -> None:
    """Add these verbs to `gatekeep approvals`."""
    verb(
        app, "delegate",
        examples=(
            "gatekeep approvals delegate dan --for 14d --group dba --reason holidays",
            "gatekeep approvals delegate dan --for 8h --start 2026-12-24T09:00",
        ),
    )(delegate)  # fmt: skip
    verb(app, "delegations", examples=("gatekeep approvals delegations",))(delegations)
    verb(app, "undelegate", examples=("gatekeep approvals undelegate D-1",))(undelegate)
    verb(app, "reviews", examples=("gatekeep approvals reviews --all",))(reviews)
    verb(
        app, "review", examples=("gatekeep approvals review R-1A2B --finding 'was needed'",)
    )(review)  # fmt: skip
    verb(app, "oncall", examples=("gatekeep approvals oncall",))(on_call)
