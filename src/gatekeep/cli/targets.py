"""`gatekeep targets`: what may be reached, as policy sees the caller."""

from __future__ import annotations

import sys
from typing import Annotated, Any, Final

import typer

from gatekeep.cli.exits import Exit, Stop
from gatekeep.cli.output import Column
from gatekeep.cli.ssh_config import stanza
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


@verb(
    app, "show",
    examples=(
        "gatekeep targets show orders",
        "gatekeep targets show web-1 --ssh-config >> ~/.ssh/config",
    ),
)  # fmt: skip
def show(
    call: Call,
    name: Annotated[str, typer.Argument(help="Its name.")],
    *,
    ssh_config: Annotated[
        bool, typer.Option("--ssh-config", help="Print what ssh needs to reach it as itself.")
    ] = False,
) -> None:
    """Show one target."""
    for target in call.gateway.get("/v1/targets")["targets"]:
        if target["name"] == name:
            if ssh_config:
                _print_stanza(call, target)
            else:
                call.screen.record(_DETAIL, target)
            return
    raise Stop(
        f"no target {name!r} for you",
        advice="gatekeep targets ls shows what you may reach",
        code=Exit.NOT_FOUND,
    )


def _print_stanza(call: Call, target: dict[str, Any]) -> None:
    """For ~/.ssh/config. A target of another kind, or a gateway without that door, has none."""
    if target["kind"] != "ssh":
        raise Stop(
            f"{target['name']} is no SSH target",
            advice=f"gatekeep targets show {target['name']}",
            code=Exit.USAGE,
        )
    me = call.gateway.get("/v1/whoami")["principal"]["name"]
    sys.stdout.write(stanza(target, me, call.gateway.get("/v1/ssh")))
