"""`gatekeep sessions`: who is connected now."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from gatekeep.cli.exits import Exit, Stop
from gatekeep.cli.output import Column
from gatekeep.cli.verbs import Call, noun, verb

_COLUMNS: Final = (
    Column("ID", "code"),
    Column("PRINCIPAL", "principal"),
    Column("TARGET", "target"),
    Column("ACCOUNT", "account"),
    Column("OPEN", "open"),
    Column("STATEMENTS", "statements"),
    Column("REFUSED", "refusals"),
    Column("FROM", "source"),
    Column("APPLICATION", "application"),
)
_DETAIL: Final = (
    *_COLUMNS,
    Column("DATABASE", "database"),
    Column("PROTOCOL", "protocol"),
    Column("READ ONLY", "read_only"),
    Column("SESSION", "id"),
)

app = noun("Sessions that are open now.")


def open_for(seconds: int) -> str:
    """A length of time as people say it: `42s`, `7m`, `3h 5m`."""
    if seconds < 60:  # noqa: PLR2004 - seconds in a minute
        return f"{seconds}s"
    minutes = seconds // 60
    return f"{minutes}m" if minutes < 60 else f"{minutes // 60}h {minutes % 60}m"  # noqa: PLR2004 - minutes in an hour


@verb(app, "ls", examples=("gatekeep sessions ls", "gatekeep sessions ls -o json"))
def ls(call: Call) -> None:
    """List open sessions: yours, or all if you may watch them."""
    call.screen.rows(_COLUMNS, _rows(call))


@verb(app, "show", examples=("gatekeep sessions show S-8QZ4",))
def show(call: Call, code: Annotated[str, typer.Argument(help="S-… or the long id.")]) -> None:
    """Show one open session. A short id may be cut while it is unique."""
    show_session(call, code)


def show_session(call: Call, code: str) -> None:
    """Print one session; also what `gatekeep show S-…` does."""
    wanted = code.upper() if code[:2].upper() == "S-" else code.lower()
    found = [
        row
        for row in _rows(call)
        if row["code"].startswith(wanted) or (wanted and row["id"].startswith(wanted))
    ]
    if len(found) != 1:
        raise Stop(
            f"no open session {code!r}" if not found else f"{code!r} is not unique",
            advice=f"gatekeep audit search session:{code} finds those that ended",
            code=Exit.NOT_FOUND,
        )
    call.screen.record(_DETAIL, found[0])


def _rows(call: Call) -> list[dict[str, Any]]:
    sessions = call.gateway.get("/v1/sessions")["sessions"]
    return [{**row, "open": open_for(int(row["open_s"]))} for row in sessions]
