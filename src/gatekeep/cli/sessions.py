"""`gatekeep sessions`: who is and was connected, what was recorded, and ending a session.

Playing and exporting need the emulator and the decompressor; they are imported when first used.
"""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from gatekeep.cli.exits import Exit, Stop
from gatekeep.cli.output import Column, Format, Kind
from gatekeep.cli.verbs import Call, noun, verb

_COLUMNS: Final = (
    Column("ID", "code"),
    Column("PRINCIPAL", "principal"),
    Column("TARGET", "target"),
    Column("ACCOUNT", "account"),
    Column("PROTOCOL", "protocol"),
    Column("STATE", "state"),
    Column("BEGAN", "opened_us", Kind.TIME),
    Column("LASTED", "lasted"),
    Column("STATEMENTS", "statements"),
    Column("REFUSED", "refusals"),
    Column("FROM", "source"),
    Column("APPLICATION", "application"),
)
_DETAIL: Final = (
    *_COLUMNS,
    Column("DATABASE", "database"),
    Column("READ ONLY", "read_only"),
    Column("ENDED", "reason"),
    Column("SESSION", "id"),
)
_CHANNELS: Final = (
    Column("CHANNEL", "channel"),
    Column("BEGAN", "started_us", Kind.TIME),
    Column("LASTED", "lasted"),
    Column("SIZE", "size"),
    Column("OUTPUT", "output"),
    Column("ERRORS", "errors"),
    Column("CHUNKS", "chunks"),
    Column("COMPLETE", "final"),
    Column("SHA256", "sha256"),
)
_SECOND: Final = 1_000_000

app = noun("Sessions: who is connected, what was recorded, and ending one.")

Code = Annotated[str, typer.Argument(help="S-… or the long id; may be cut while it is unique.")]
Channel = Annotated[int | None, typer.Option("--channel", min=0, help="Another channel.")]


class CastFormat(enum.StrEnum):
    """What `--format` may say."""

    CAST = "cast"
    CAST2 = "cast2"
    TEXT = "text"
    JSONL = "jsonl"


def open_for(seconds: int) -> str:
    """A length of time as people say it: `42s`, `7m`, `3h 5m`."""
    if seconds < 60:  # noqa: PLR2004 - seconds in a minute
        return f"{seconds}s"
    minutes = seconds // 60
    return f"{minutes}m" if minutes < 60 else f"{minutes // 60}h {minutes % 60}m"  # noqa: PLR2004 - minutes in an hour


@verb(
    app,
    "ls",
    examples=(
        "gatekeep sessions ls",
        "gatekeep sessions ls --past --principal alice",
        "gatekeep sessions ls --past --protocol ssh -o json",
    ),
)
def ls(
    call: Call,
    *,
    past: Annotated[bool, typer.Option("--past", help="Those that ended, too.")] = False,
    principal: Annotated[str | None, typer.Option("--principal", help="Of this one.")] = None,
    target: Annotated[str | None, typer.Option("--target", help="On this target.")] = None,
    protocol: Annotated[str | None, typer.Option("--protocol", help="postgres or ssh.")] = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, max=1000, help="At most so many that ended.")
    ] = 100,
) -> None:
    """List sessions: yours, or all if you may watch them; the open ones first."""
    said = call.gateway.get(
        "/v1/sessions",
        principal=principal,
        target=target,
        protocol=protocol,
        past="1" if past else None,
        limit=limit if past else None,
    )
    rows = [_row(row) for row in (*said["sessions"], *said.get("past", ()))]
    call.screen.rows(_COLUMNS, rows)


def _row(row: dict[str, Any]) -> dict[str, Any]:
    seconds = row.get("open_s")
    if seconds is None and row.get("duration_us") is not None:
        seconds = int(row["duration_us"]) // _SECOND
    if seconds is None and row.get("ended_us"):
        seconds = (int(row["ended_us"]) - int(row["opened_us"])) // _SECOND
    return {**row, "lasted": "" if seconds is None else open_for(int(seconds))}


@verb(app, "show", examples=("gatekeep sessions show S-8QZ4",))
def show(call: Call, code: Code) -> None:
    """Show one session: who and where, what was recorded, and what was asked and decided."""
    show_session(call, code)


def show_session(call: Call, code: str) -> None:
    """Print one session; also what `gatekeep show S-…` does."""
    from gatekeep.cli.playing import recording_path  # noqa: PLC0415 - see above
    from gatekeep.cli.transcript import event_line  # noqa: PLC0415 - see above

    path = recording_path(code)
    said = call.gateway.get(path)
    following = said.pop("from")
    while following is not None:
        page = call.gateway.get(path, from_=following)
        said["events"] += page["events"]
        following = page["from"]
    screen = call.screen
    if screen.format is not Format.TABLE:
        screen.document(said)
        return
    screen.record(_DETAIL, _row(said["session"]))
    if said["recordings"]:
        screen.data("")
        screen.rows(_CHANNELS, [_channel(row) for row in said["recordings"]])
    if said["events"]:
        screen.data("")
    for event in said["events"]:
        line = event_line(event)
        terminal = screen.surface.terminal
        screen.data(screen.cut(line.for_people()) if terminal else line.tabbed())


def _channel(row: dict[str, Any]) -> dict[str, Any]:
    lasted = row.get("duration_us")
    size = f"{row['columns']}x{row['rows']}" if row.get("columns") else ""
    spoken = "" if lasted is None else open_for(int(lasted) // _SECOND)
    return {**row, "lasted": spoken, "size": size}


@verb(
    app,
    "replay",
    examples=(
        "gatekeep sessions replay S-8QZ4",
        "gatekeep sessions replay S-8QZ4 --at 14:05 --skip-idle",
        "gatekeep sessions replay S-8QZ4 | grep -n overwritten",
    ),
)
def replay(  # noqa: PLR0913 - one for each option of the verb
    call: Call,
    code: Code,
    *,
    at: Annotated[str, typer.Option("--at", help="Begin here: 14:05, or 1h2m3s.")] = "",
    speed: Annotated[float, typer.Option("--speed", min=0.1, max=1000, help="Faster.")] = 1.0,
    skip_idle: Annotated[bool, typer.Option("--skip-idle", help="Pauses last 2 s.")] = False,
    channel: Channel = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="The target's own bytes; never to a terminal.")
    ] = False,
) -> int | None:
    """Play a session: space pauses, / searches, q leaves. Into a pipe, everything as text.

    What is painted comes from gatekeep's own emulator, so nothing recorded drives your terminal.
    """
    from gatekeep.cli.player import Pace  # noqa: PLC0415 - see above
    from gatekeep.cli.playing import replay as play  # noqa: PLC0415 - see above

    pace = Pace(speed, 0, skip_idle)
    return play(call, code, at=at, pace=pace, channel=channel, raw=raw)


@verb(app, "watch", examples=("gatekeep sessions watch S-8QZ4",))
def watch(call: Call, code: Code, *, channel: Channel = None) -> int | None:
    """Watch an open session from its beginning until it ends, or Ctrl-C."""
    from gatekeep.cli.playing import watch as follow  # noqa: PLC0415 - see above

    return follow(call, code, channel=channel)


@verb(app, "kill", examples=('gatekeep sessions kill S-8QZ4 --reason "leaked key"',))
def kill(
    call: Call,
    code: Code,
    *,
    reason: Annotated[str, typer.Option("--reason", help="Told to the client, and recorded.")],
) -> int | None:
    """End an open session at once. What runs is cancelled."""
    from gatekeep.cli.playing import recording_path  # noqa: PLC0415 - see above

    if not reason.strip():
        raise Stop("--reason is empty", advice='--reason "leaked key"', code=Exit.USAGE)
    said = call.gateway.post(f"{recording_path(code)}/kill", {"reason": reason})
    call.screen.say(
        f"● {said['code']} was ended", following=f"gatekeep sessions show {said['code']}"
    )
    if not said["recorded"]:
        call.screen.say("gatekeep: that you ended it could not be recorded; see /readyz")
        return Exit.FAILED
    return None


@verb(
    app,
    "export",
    examples=(
        "gatekeep sessions export S-8QZ4 --format cast -f session.cast",
        "gatekeep sessions export S-8QZ4 --format text",
    ),
)
def export(
    call: Call,
    code: Code,
    *,
    wanted: Annotated[
        CastFormat, typer.Option("--format", help="cast is asciicast 3, cast2 version 2.")
    ] = CastFormat.CAST,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="A new file; else stdout.")
    ] = None,
    channel: Channel = None,
) -> int | None:
    """Write a recording for the asciinema player, or everything printed as text, or its events."""
    from gatekeep.cli.playing import export as write  # noqa: PLC0415 - see above

    return write(call, code, wanted=wanted.value, file=file, channel=channel)
