"""`gatekeep targets`: what may be reached, as policy sees the caller."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from gatekeep.cli.exits import Exit, Stop
from gatekeep.cli.output import Column
from gatekeep.cli.verbs import Call, noun, verb

_COLUMNS: Final = (
    Column("NAME", "name"),
    Column("KIND", "kind"),
    Column("ACCOUNTS", "accounts"),
    Column("ENVIRONMENT", "environment"),
    Column("OWNER", "owner"),
    Column("LABELS", "labels"),
)
_DETAIL: Final = (
    *_COLUMNS,
    Column("DATABASE", "database"),
    Column("ADDRESS", "address"),
    Column("TLS", "tls"),
)

app = noun("What you may reach through the gateway.")


@verb(app, "ls", examples=("gatekeep targets ls", "gatekeep targets ls | cut -f1"))
def ls(call: Call) -> None:
    """List the targets that you may open, with the accounts you may use."""
    call.screen.rows(_COLUMNS, call.gateway.get("/v1/targets")["targets"])


@verb(app, "show", examples=("gatekeep targets show orders",))
def show(call: Call, name: Annotated[str, typer.Argument(help="Its name.")]) -> None:
    """Show one target."""
    for target in call.gateway.get("/v1/targets")["targets"]:
        if target["name"] == name:
            call.screen.record(_DETAIL, target)
            return
    raise Stop(
        f"no target {name!r} for you",
        advice="gatekeep targets ls shows what you may reach",
        code=Exit.NOT_FOUND,
    )
