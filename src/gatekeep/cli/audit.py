"""`gatekeep audit`: follow and search events through the socket; prove and verify them on files."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from gatekeep.cli.events import COLUMNS, SHORT, TailLines, detail_lines, event_row
from gatekeep.cli.exits import Exit
from gatekeep.cli.output import Format, json_text
from gatekeep.cli.verbs import Call, lend, noun, verb

KEYS: Final = (
    "principal target account session kind class decision rule tag table template request suggestion "
    "outcome since until"
)
_PAGE: Final = 1000
_FILES: Final = "gatekeep.cli.audit_files"

app = noun("Follow, search, prove and verify what happened.")


@verb(
    app,
    "tail",
    examples=(
        "gatekeep audit tail",
        "gatekeep audit tail --from 0 -o json > events.jsonl",
        "gatekeep audit tail | cut -f5,9",
    ),
)
def tail(
    call: Call,
    *,
    from_: Annotated[
        int | None, typer.Option("--from", min=0, help="Begin at this event; else from now on.")
    ] = None,
) -> None:
    """Show events as they become durable, one line each, until Ctrl-C.

    With -o json each line is one whole event.
    """
    lines = TailLines(call.screen)
    for event in call.gateway.lines("/v1/audit/tail", from_=from_):
        if call.screen.format is Format.TABLE:
            call.screen.data(lines.line(event))
        elif call.screen.format is Format.JSON:
            call.screen.data(json_text(event))
        else:
            call.screen.data("---")
            call.screen.document(event)
        call.screen.flush()


@verb(
    app,
    "search",
    examples=(
        "gatekeep audit search 'table:customers decision:deny since:7d'",
        "gatekeep audit search principal:alice -o json",
        "gatekeep audit search 'drop table' --limit 10 | cut -f1,5,9",
    ),
)
def search(
    call: Call,
    query: Annotated[
        list[str] | None, typer.Argument(help=f"Words, and key:value. Keys: {KEYS}.")
    ] = None,
    *,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 100,
    before: Annotated[
        int | None, typer.Option("--before", min=0, help="Only events older than this one.")
    ] = None,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="Whole events, one a line, as they are read.")
    ] = False,
) -> None:
    """Find events, newest first. Values are exact, * at the end stands for anything.

    With -o json whole events come as one document.
    """
    found: list[Any] = []
    while limit > 0:
        page = call.gateway.get(
            "/v1/audit/events",
            q=" ".join(query or ()),
            limit=min(limit, _PAGE),
            before=before,
        )
        events, before = page["events"], page["before"]
        limit -= len(events)
        if jsonl:
            for event in events:
                call.screen.data(json_text(event))
        else:
            found += events
        if before is None:
            break
    if not jsonl:
        terminal = call.screen.surface.terminal
        rows = [event_row(event) for event in found]
        _name_people(rows)
        if terminal:
            for row in rows:
                row["statement"] = _for_a_terminal(row)
        call.screen.rows(SHORT if terminal else COLUMNS, rows, whole=found)


def _name_people(rows: list[dict[str, Any]]) -> None:
    """Events beside actions do not repeat whose session it is: others of it that were found do."""
    known = {row["session"]: row["principal"] for row in rows if row["principal"] and row["target"]}
    for row in rows:
        row["principal"] = row["principal"] or known.get(row["session"], "")


def _for_a_terminal(row: dict[str, Any]) -> str:
    """There is no column for kinds and outcomes there: the last one tells."""
    if str(row["kind"]) in ("action.released", "action.refused"):
        outcome = f"  └ {row['outcome']}" if row["outcome"] else ""
        return f"{row['statement']}{outcome}"
    return f"{row['kind']} {row['statement'] or row['outcome']}".rstrip()


@verb(app, "show", examples=("gatekeep audit show 184467", "gatekeep audit show 184467 -o json"))
def show(call: Call, n: Annotated[int, typer.Argument(min=0, help="Index of the event.")]) -> None:
    """Show one event whole: envelope, payload, decision and the policy request behind it."""
    show_event(call, n)


def show_event(call: Call, n: int) -> None:
    """Print one event; also what `gatekeep show N` does."""
    event = call.gateway.get(f"/v1/audit/events/{n}")
    if call.screen.format is Format.TABLE:
        for line in detail_lines(event):
            call.screen.data(line)
    else:
        call.screen.document(event)


lend(
    app,
    "verify",
    f"{_FILES}:verify_command",
    "Prove on files that nothing was changed or removed. Exit codes of its own: docs/cli.md.",
    usage=Exit.EVIDENCE_USAGE,
)
lend(
    app,
    "prove",
    f"{_FILES}:prove_command",
    "Write the offline proof of one event.",
    usage=Exit.EVIDENCE_USAGE,
)
lend(
    app,
    "check",
    f"{_FILES}:check_command",
    "Check such a proof.",
    usage=Exit.EVIDENCE_USAGE,
)
lend(
    app,
    "rebuild-index",
    f"{_FILES}:rebuild_index_command",
    "Make index.db anew from the log, while the gateway is stopped.",
)
