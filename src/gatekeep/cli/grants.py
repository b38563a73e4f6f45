"""`gatekeep grants` and `gatekeep breakglass`: leave that lasts for a time, seen, ended, or taken."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from gatekeep.cli.approving import code_for
from gatekeep.cli.exits import Exit, Stop
from gatekeep.cli.output import Column, Format, Kind, visible
from gatekeep.cli.standing_in import path_of
from gatekeep.cli.tokens import seconds
from gatekeep.cli.verbs import Call, noun, verb
from gatekeep.messages.asked import lasting

_GRANTS: Final = "/api/v1/grants"
_COLUMNS: Final = (
    Column("ID", "id"),
    Column("LEFT", "left"),
    Column("SCOPE", "scope"),
    Column("WHO", "principal"),
    Column("TARGET", "target"),
    Column("ACCOUNT", "account"),
    Column("GIVEN BY", "given_by"),
    Column("USED", "used"),
    Column("COVERS", "shown"),
)
_PIPED: Final = (_COLUMNS[0], Column("UNTIL", "ends_us", Kind.TIME), *_COLUMNS[2:])
_DETAIL: Final = (
    *_COLUMNS,
    Column("KIND", "kind"),
    Column("GROUPS", "groups"),
    Column("MADE", "made_us", Kind.TIME),
    Column("FROM", "starts_us", Kind.TIME),
    Column("UNTIL", "ends_us", Kind.TIME),
    Column("REQUEST", "request"),
    Column("SESSION", "session"),
    Column("REVOKED", "revoked_us", Kind.TIME),
    Column("REVOKED BY", "revoked_by"),
)

app = noun("Grants: leave that lasts for a time, made by an approval.")


@verb(app, "ls", examples=("gatekeep grants ls", "gatekeep grants ls --all --principal alice"))
def ls(
    call: Call,
    *,
    principal: Annotated[str | None, typer.Option("--principal", help="Of this one.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Those that ended, too.")] = False,
) -> None:
    """List live grants: yours and those you gave, or all if you may read what others did."""
    which = "all" if everything else "live"
    found = call.gateway.get(_GRANTS, which=which, principal=principal)["grants"]
    columns = _COLUMNS if call.screen.surface.terminal else _PIPED
    call.screen.rows(columns, [_row(one) for one in found], whole=found)


@verb(app, "revoke", examples=("gatekeep grants revoke G-1A2B3C4D5E",))
def revoke(
    call: Call, grant_id: Annotated[str, typer.Argument(help="Its id, or the beginning of it.")]
) -> None:
    """Revoke a grant at once: sessions that live by it end."""
    found = _one(call, grant_id)
    done = call.gateway.post(f"{_GRANTS}/{found['id']}/revoke", {})
    call.screen.say(
        f"■ grant {visible(done['id'])} of {visible(done['principal'])} on"
        f" {visible(done['target'])} is revoked",
        following="gatekeep grants ls",
    )


def show_grant(call: Call, grant_id: str) -> None:
    """Print one grant; also what `gatekeep show G-…` does."""
    found = _one(call, grant_id)
    call.screen.record(_DETAIL, _row(found), whole=found)


def _one(call: Call, grant_id: str) -> dict[str, Any]:
    """The one grant whose id begins so. Raises Stop."""
    path_of(_GRANTS, grant_id, "grant")
    found = call.gateway.get(_GRANTS, which="all", id=grant_id)["grants"]
    exact = [one for one in found if one["id"].upper() == grant_id.upper()] or found
    if len(exact) != 1:
        what = f"{grant_id} begins more than one grant" if exact else f"no grant {grant_id}"
        raise Stop(what, advice="gatekeep grants ls --all lists them", code=Exit.NOT_FOUND)
    one: dict[str, Any] = exact[0]
    return one


def _row(grant: dict[str, Any]) -> dict[str, Any]:
    over = "revoked" if grant["revoked_us"] else "over"
    return {
        **grant,
        "left": lasting(grant["left_s"]) if grant["live"] else over,
        "given_by": sorted(grant["persons"]) or grant["kind"],
    }


def breakglass(
    call: Call,
    target: Annotated[str, typer.Argument(help="Where.")],
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why; everybody concerned reads it.")],
    account: Annotated[str, typer.Option("--account", help="As whom; if there is only one.")] = "",
    lasts: Annotated[str, typer.Option("--for", help="How long: 30m.")] = "",
    code_file: Annotated[
        Path | None, typer.Option("--code-file", help="A file with the authenticator's code.")
    ] = None,
) -> None:
    """Take leave at once, without being asked: loud, short, and looked at afterwards.

    It lifts what asks for approval, never what is forbidden. A second factor is needed.
    """
    if not reason.strip():
        raise Stop("--reason is empty", advice='--reason "the site is down"', code=Exit.USAGE)
    wish = {
        "target": target,
        "account": account,
        "reason": reason,
        "for_s": seconds(lasts) if lasts else 0,
        "code": code_for(code_file, "break-glass"),
    }
    made = call.gateway.post("/api/v1/breakglass", wish)
    name = visible(made["id"])
    if call.screen.format is not Format.TABLE:
        call.screen.document(made)
    call.screen.say(
        f"● {visible(made['target'])} is open to you as {visible(made['account'])} for"
        f" {lasting(made['left_s'])} ({name}); everybody concerned was told",
        following=f"gatekeep grants revoke {name}",
    )
