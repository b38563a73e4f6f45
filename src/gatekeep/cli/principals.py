"""`gatekeep principals`, `whoami`: who is known, and who is asking."""

from __future__ import annotations

from typing import Final

from gatekeep.cli.output import Column
from gatekeep.cli.verbs import Call, lend, noun, verb

_COLUMNS: Final = (
    Column("NAME", "name"),
    Column("PERSON", "person"),
    Column("GROUPS", "groups"),
    Column("OWNER", "owner"),
    Column("OS USER", "os_user"),
)
_SELF: Final = (
    *_COLUMNS,
    Column("MAY", "may"),
    Column("POLICY", "policy"),
)

app = noun("Who may act through the gateway.")

lend(
    app,
    "password",
    "gatekeep.cli.passwords:password_command",
    "Turn a password into the line that principals.yaml refers to.",
)


@verb(app, "ls", examples=("gatekeep principals ls",))
def ls(call: Call) -> None:
    """List principals: all for those who need them, else yourself."""
    call.screen.rows(_COLUMNS, call.gateway.get("/v1/principals")["principals"])


def whoami(call: Call) -> None:
    """Show which principal the gateway takes you for, and what you may do on it."""
    me = call.gateway.get("/v1/whoami")
    row = {**me["principal"], "may": me["may"], "policy": me["policy"]}
    call.screen.record(_SELF, row, whole=me)
