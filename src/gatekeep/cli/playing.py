"""`sessions replay`, `watch` and `export`: from the gateway's stream to a terminal, a pipe or a file."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any, Final, TextIO

from gatekeep.cli.exits import Exit, Stop
from gatekeep.cli.output import json_text, visible
from gatekeep.cli.player import LineStage, Pace, Player, ScreenStage, Script, single_keys
from gatekeep.cli.reel import Reel, in_time
from gatekeep.cli.transcript import transcript
from gatekeep.cli.verbs import Call
from gatekeep.recordings.asciicast import CastHeader, cast_lines
from gatekeep.recordings.chunks import ERRORS, OUTPUT, Record
from gatekeep.recordings.emulator import Emulator
from gatekeep.recordings.text import Printout

MIN_SPEED: Final = 0.1
MAX_SPEED: Final = 1000.0
FORMATS: Final = ("cast", "cast2", "text", "jsonl")
_SECOND: Final = 1_000_000
_WALL: Final = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")
_SPAN: Final = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?")


def recording_path(code: str) -> str:
    """Where a session's recording is; a name that could be another address is refused."""
    if not re.fullmatch(r"[A-Za-z0-9-]{1,40}", code):
        raise Stop(
            f"{code!r} names no session", advice="gatekeep sessions ls --past", code=Exit.USAGE
        )
    return f"/v1/sessions/{code}"


def from_moment(text: str, started_us: int) -> int:
    """`--at` as µs since the start: `90s`, `1h2m3s`, or a wall clock `14:05[:30]`. Raises Stop."""
    wall = _WALL.fullmatch(text)
    if wall is not None:
        start = datetime.fromtimestamp(started_us / _SECOND, UTC).astimezone()
        hour, minute, second = (int(part or 0) for part in wall.groups())
        if hour < 24 and minute < 60 and second < 60:  # noqa: PLR2004 - a clock's numbers
            moment = start.replace(hour=hour, minute=minute, second=second, microsecond=0)
            if moment < start.replace(second=0, microsecond=0):
                moment += timedelta(days=1)  # a session may go on past midnight
            return max(0, int((moment - start).total_seconds() * _SECOND))
    span = _SPAN.fullmatch(text)
    if not text or span is None or len(text) > 12:  # noqa: PLR2004 - longer than any recording
        raise Stop(f"--at {text!r} is no moment", advice="--at 14:05, --at 1h2m3s", code=Exit.USAGE)
    hours, minutes, seconds = (int(part or 0) for part in span.groups())
    return (hours * 3600 + minutes * 60 + seconds) * _SECOND


# -- replay ------------------------------------------------------------------------------------


def replay(
    call: Call, code: str, *, at: str, pace: Pace, channel: int | None, raw: bool
) -> int | None:
    """Play on a terminal; print text elsewhere; with `raw` the bytes as they were, never there."""
    if raw and call.screen.surface.terminal:
        raise Stop(
            "--raw is refused on a terminal",
            why="what a target printed would drive yours",
            advice="gatekeep sessions replay S-… --raw > file",
            code=Exit.USAGE,
        )
    lines = call.gateway.lines(f"{recording_path(code)}/recording", channel=channel, way="replay")
    reel = Reel(lines, channel)
    if raw:
        _write_raw(reel)
    elif call.screen.surface.terminal and not call.screen.surface.accessible:
        _play(call, reel, at, pace)
    else:
        _print(call, reel, at)
    return _finished(call, reel)


def _write_raw(reel: Reel) -> None:
    for one in reel:
        if one.record is not None and one.record.code in (OUTPUT, ERRORS):
            sys.stdout.buffer.write(one.record.data)
    sys.stdout.buffer.flush()


def _print(call: Call, reel: Reel, at: str) -> None:
    from_us: int | None = None
    accessible = call.screen.surface.accessible
    for line in transcript(in_time(reel)):
        if from_us is None:
            start = reel.started_us or line.at_us
            from_us = start + (from_moment(at, start) if at else 0) if at else 0
        if line.at_us >= from_us:
            call.screen.data(line.for_people() if accessible else line.tabbed())


def _play(call: Call, reel: Reel, at: str, pace: Pace) -> None:
    happenings = list(in_time(reel))
    records = [one.record for one in happenings if one.record is not None]
    columns, rows = shutil.get_terminal_size()
    if records:
        started_us = reel.started_us
        times = [record.at_us for record in records]
        stage: ScreenStage | LineStage = ScreenStage(
            str(reel.session.get("code", "")), records, Emulator(reel.terminal), (columns, rows)
        )
        texts = _searchable(records)
    else:
        lines = list(transcript(happenings))
        started_us = lines[0].at_us if lines else 0
        times = [max(0, line.at_us - started_us) for line in lines]
        texts = [line.text for line in lines]
        stage = LineStage([call.screen.cut(line.for_people()) for line in lines])
    pace = Pace(pace.speed, from_moment(at, started_us) if at else 0, pace.skip_idle)
    with single_keys() as keys:
        Player(Script(times, texts), stage, keys, _writer(sys.stdout), pace=pace).play()


def _searchable(records: Sequence[Record]) -> list[str]:
    """The text that each record completes; the last one has what was never ended, too."""
    printout = Printout()
    texts = [" ".join(line.text for line in printout.feed(record)) for record in records]
    texts[-1] += "".join(f" {line.text}" for line in printout.end())
    return texts


def _writer(stream: TextIO) -> Any:
    def write(text: str) -> None:
        stream.write(text)
        stream.flush()

    return write


def _finished(call: Call, reel: Reel) -> int | None:
    """Say on stderr what is to be said of a recording; a damaged one is a failed check."""
    if reel.others:
        shown = ", ".join(map(str, sorted(reel.others)))
        call.screen.say(f"channel {reel.channel}; there are also {shown}: --channel N")
    if reel.fault:
        call.screen.say(f"gatekeep: {visible(reel.fault)}")
    if reel.ending in ("damaged", ""):
        return Exit.CHECK_FAILED
    return None


# -- watch -------------------------------------------------------------------------------------


def watch(call: Call, code: str, *, channel: int | None) -> int | None:
    """Follow an open session until it ends."""
    reel = Reel(call.gateway.lines(f"{recording_path(code)}/watch", channel=channel), channel)
    head = reel.head()
    if call.screen.surface.terminal and not call.screen.surface.accessible:
        _watch_screen(reel, head)
    else:
        for line in transcript(reel):
            call.screen.data(line.tabbed())
            call.screen.flush()
    if reel.ending == "dropped":
        call.screen.say("gatekeep: this terminal was too slow, and was left behind")
        return Exit.FAILED
    return _finished(call, reel)


def _watch_screen(reel: Reel, head: Mapping[str, Any]) -> None:
    stage: ScreenStage | None = None
    size = shutil.get_terminal_size()
    title = f"{head.get('code', '')} live"
    write = _writer(sys.stdout)
    for one in reel:
        if one.record is None:
            if stage is None:
                write("".join(f"{line.for_people()}\n" for line in transcript([one])))
            continue
        if stage is None:
            stage = ScreenStage(title, (), Emulator(reel.terminal), (size.columns, size.lines))
        stage.show(one.record)
        write(stage.picture(""))
    if stage is not None:
        write(stage.picture(reel.ending) + stage.leave())


# -- export ------------------------------------------------------------------------------------


def export(
    call: Call, code: str, *, wanted: str, file: Path | None, channel: int | None
) -> int | None:
    """Write a recording to a file that did not exist before, or to stdout."""
    path = f"{recording_path(code)}/recording"
    lines = call.gateway.lines(path, channel=channel, way="export")
    reel = Reel(lines, channel)
    with ExitStack() as stack:
        written: Iterator[str]
        if wanted == "jsonl":
            written = (json_text(line) for line in _noted(lines, reel))
        elif wanted == "text":
            written = (line.tabbed() for line in transcript(in_time(reel)))
        else:
            written = _cast(reel, 3 if wanted == "cast" else 2)
        first = next(written, None)  # a refusal makes no file
        out = sys.stdout if file is None else stack.enter_context(_new_file(file))
        for line in chain([] if first is None else [first], written):
            out.write(line + "\n")
    if file is not None:
        call.screen.say(f"written to {visible(str(file))}")
    return _finished(call, reel)


def _noted(lines: Iterable[Any], reel: Reel) -> Iterator[Any]:
    """The lines as they are; how they end is kept."""
    for line in lines:
        if "end" in line:
            reel.ending, reel.fault = str(line["end"]), str(line.get("why", ""))
        yield line


def _cast(reel: Reel, version: int) -> Iterator[str]:
    session = reel.head()
    happenings = (one for one in reel if one.record is not None)
    first = next(happenings, None)
    if first is None:
        raise Stop(
            "no output of this session was recorded",
            why=reel.fault,
            advice="--format text or jsonl has its events",
            code=Exit.NOT_FOUND,
        )
    title = f"{session.get('code')} {session.get('principal')} on {session.get('target')}"
    header = CastHeader(reel.terminal, reel.started_us, title)
    records = (one.record for one in chain([first], happenings) if one.record is not None)
    yield from cast_lines(records, header, version=version)


def _new_file(path: Path) -> TextIO:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise Stop(f"cannot make {path}: {error.strerror}", advice="name another file") from None
    return os.fdopen(handle, "w", encoding="utf-8")
