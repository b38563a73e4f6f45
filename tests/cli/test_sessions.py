"""`gatekeep sessions` in a pipe: lists, one session, text of recordings, exports, ending one."""

from __future__ import annotations

import json
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.api_world import ALICE
from support.gateway_thread import Gatekeep, Gateway
from support.recorded_world import (
    SHELL,
    STATEMENTS,
    Story,
    chunk_payloads,
    shell_session,
    statement_session,
)

from gatekeep.cli.exits import Stop
from gatekeep.cli.playing import from_moment
from gatekeep.domain.sessions import session_code
from gatekeep.recordings.chunks import Record
from gatekeep.recordings.ends import OutputEnds

OPEN = "0b" * 16
CODE = session_code(SHELL)


@pytest.fixture
def story(gateway: Gateway) -> Story:
    """A shell and a Postgres session that ended, and an open one."""
    made = Story(gateway.world)
    shell_session(made)
    statement_session(made)
    made.opened(OPEN)
    made.live(OPEN)
    return made


def _table(out: str) -> list[list[str]]:
    return [line.split("\t") for line in out.splitlines()]


def test_open_sessions_first_then_those_that_ended(story: Story, gatekeep: Gatekeep) -> None:
    """`ls` shows who is connected; `--past` adds the others, with how long they lasted."""
    assert [row[:6] for row in _table(gatekeep("sessions", "ls").out)] == [
        [session_code(OPEN), "alice", "web-1", "deploy", "ssh", "open"]
    ]
    rows = _table(gatekeep("sessions", "ls", "--past").out)
    assert [(row[0], row[5], row[7]) for row in rows] == [
        (session_code(OPEN), "open", "1m"),
        (session_code(STATEMENTS), "closed", "5s"),
        (CODE, "closed", "5s"),
    ]
    rows = _table(gatekeep("sessions", "ls", "--past", "--protocol", "postgres").out)
    assert [row[0] for row in rows] == [session_code(STATEMENTS)]
    assert gatekeep("sessions", "ls", "--principal", "nobody").out == ""


def test_one_session_is_shown_with_events_and_recordings(story: Story, gatekeep: Gatekeep) -> None:
    """Facts, channels, and each event on a line; JSON has all of it."""
    told = gatekeep("sessions", "show", CODE[:6].lower())
    assert "principal: alice" in told.out
    assert "\tallow\tls" in told.out
    assert "session.closed\tclient after 5.0 s" in told.out
    assert told.out.count("80x24") == 1
    assert gatekeep("show", CODE).out == told.out
    document = json.loads(gatekeep("sessions", "show", CODE, "-o", "json").out)
    assert document["recordings"][0]["final"] is True
    shown = yaml.safe_load(gatekeep("sessions", "show", CODE, "-o", "yaml").out)
    assert [event["n"] for event in shown["events"]] == [0, 1, 4, 5]


def test_long_sessions_are_shown_whole(story: Story, gatekeep: Gatekeep) -> None:
    """More events than one answer holds come page by page."""
    for number in range(1200):
        story.released(OPEN, f"select {number}")
    told = gatekeep("sessions", "show", OPEN)
    assert "select 0\n" in told.out
    assert "select 1199\n" in told.out


def test_ids_that_name_nothing(story: Story, gatekeep: Gatekeep) -> None:
    """Unknown is 5, nonsense is 2, and no name reaches another address."""
    assert gatekeep("sessions", "show", "S-ZZZZ").code == 5
    assert gatekeep("sessions", "replay", "dddd").code == 5
    for name in ("x", "../audit/events", "S-8QZ4?x=1", "S-\x1b[2J"):
        told = gatekeep("sessions", "replay", name)
        assert told.code == 2, name
        assert "\x1b" not in told.err


def test_a_replay_in_a_pipe_is_text(story: Story, gatekeep: Gatekeep) -> None:
    """Output, markers, sizes and decisions in order of time, tab-separated, without escapes."""
    told = gatekeep("sessions", "replay", CODE)
    assert told.code == 0
    rows = _table(told.out)
    assert [row[1:] for row in rows] == [
        ["session.opened", rows[0][2]],
        ["", "$ ls"],
        ["allow", "ls"],
        ["marker", "event 1"],
        ["", "café  red"],
        ["size", "100x30"],
        ["", "$ exit"],
        ["exit", "0"],
        ["outcome", "done SELECT 40 12 ms"],
        ["session.closed", "client after 5.0 s"],
    ]
    assert rows[0][0] == "2025-10-09T08:53:20.000000Z"
    later = gatekeep("sessions", "replay", CODE, "--at", "1m")
    assert [row[2] for row in _table(later.out)] [:3] == ["100x30", "$ exit", "0"]


def test_statements_replay_as_a_transcript(story: Story, gatekeep: Gatekeep) -> None:
    """Statement, decision and rule, outcome with rows and time."""
    rows = _table(gatekeep("sessions", "replay", STATEMENTS).out)
    assert [row[1:] for row in rows[1:]] == [
        ["allow", "select * from orders"],
        ["outcome", "done SELECT 40 12 ms"],
        ["allow", "select 1/0"],
        ["outcome", "failed 22012 division by zero 12 ms, 40 rows"],
        ["deny", "drop table orders"],
        ["session.closed", "client after 5.0 s"],
    ]


def test_raw_gives_the_bytes(story: Story, gatekeep: Gatekeep) -> None:
    """`--raw` into a pipe is what the target printed, byte for byte."""
    told = gatekeep("sessions", "replay", CODE, "--raw")
    assert told.out == "$ ls\r\ncafé  \x1b[31mred\x1b[0m\r\n$ exit\r\n"


def test_exports(story: Story, gatekeep: Gatekeep, tmp_path: Path) -> None:
    """Casts of both versions, text, and events; a file is new and private."""
    file = tmp_path / "session.cast"
    told = gatekeep("sessions", "export", CODE, "-f", str(file))
    assert (told.code, told.out) == (0, "")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    header, *events = [json.loads(line) for line in file.read_text().splitlines()]
    assert header["version"] == 3
    assert header["title"] == f"{CODE} alice on web-1"
    assert events[0] == [0.0, "o", "$ ls\r\n"]
    assert events[-1] == [0.5, "x", "0"]
    assert gatekeep("sessions", "export", CODE, "-f", str(file)).code == 1
    second = gatekeep("sessions", "export", CODE, "--format", "cast2").out.splitlines()
    assert json.loads(second[0])["version"] == 2
    text = gatekeep("sessions", "export", CODE, "--format", "text").out
    assert text == gatekeep("sessions", "replay", CODE).out
    lines = gatekeep("sessions", "export", CODE, "--format", "jsonl").out.splitlines()
    assert "session" in json.loads(lines[0])
    assert json.loads(lines[-1]) == {"end": "complete"}


def test_what_was_not_recorded_makes_no_cast(
    story: Story, gatekeep: Gatekeep, tmp_path: Path
) -> None:
    """A Postgres session has no output: no file is made, and the words say what there is."""
    file = tmp_path / "x.cast"
    told = gatekeep("sessions", "export", STATEMENTS, "-f", str(file))
    assert told.code == 5
    assert "--format text" in told.err
    assert not file.exists()


def test_damaged_and_cut_recordings_are_said(story: Story, gatekeep: Gatekeep) -> None:
    """Changed bytes are a failed check, after what could be read; a missing end is told."""
    cut, changed = "c0" * 16, "c1" * 16
    for name, final in ((cut, False), (changed, True)):
        story.opened(name)
        first, second = chunk_payloads(
            [[Record(0, "o", b"one\n")], [Record(9, "o", b"two\n")]], final=final
        )
        if name == changed:
            second["sha256"] = "00"
        for payload in (first, second):
            story.add(name, "recording.chunk", payload)
    told = gatekeep("sessions", "replay", cut)
    assert told.code == 0
    assert "cut off" in told.err
    told = gatekeep("sessions", "replay", changed)
    assert told.code == 8
    assert "\tone" in told.out
    assert "two" not in told.out
    assert "counted" in told.err


def test_ends_and_other_channels_are_told(story: Story, gatekeep: Gatekeep) -> None:
    """What was kept of a command's output is shown; further channels are named."""
    session = "c2" * 16
    story.opened(session)
    ends = OutputEnds(4)
    ends.output(b"first\n" + bytes(200_000) + b"last\n")
    ends.errors(b"oops\x1b[2J\n")
    story.add(session, "recording.chunk", json.loads(ends.payload()))
    story.recorded(session, [[Record(0, "o", b"shell\n")]], channel=5)
    told = gatekeep("sessions", "replay", session)
    assert "stdout\t200011 bytes" in told.out
    assert "stderr\toops\\x1b[2J" in told.out
    assert "were not kept" in told.out
    assert "there are also 5" in told.err
    assert "\tshell" in gatekeep("sessions", "replay", session, "--channel", "5").out


def test_a_session_is_ended_with_a_reason(
    gateway: Gateway, story: Story, gatekeep: Gatekeep
) -> None:
    """The reason is needed, reaches the session, and failures to record are told."""
    reasons = story.live(OPEN)
    assert gatekeep("sessions", "kill", OPEN).code == 2
    assert gatekeep("sessions", "kill", OPEN, "--reason", " ").code == 2
    told = gatekeep("sessions", "kill", session_code(OPEN), "--reason", "leaked key")
    assert told.code == 0
    assert reasons == ["leaked key (owner)"]
    gateway.world.journal_down = True
    told = gatekeep("sessions", "kill", OPEN, "--reason", "again")
    assert told.code == 1
    assert "could not be recorded" in told.err
    assert gatekeep("sessions", "kill", SHELL, "--reason", "x").code == 5


def test_a_watcher_in_a_pipe_gets_text_as_it_comes(
    gateway: Gateway, story: Story, gatekeep: Gatekeep
) -> None:
    """What was stored, then what comes after joining, until the session's channel closes."""
    made = threading.Event()

    def begin() -> None:
        bench = story.record_live(OPEN)
        bench.recorder.output(b"stored\r\n")
        bench.recorder.flush()
        join = bench.recorder.join

        def joining(listener: Any) -> Any:
            joined = join(listener)
            gateway.soon(lambda: bench.recorder.output(b"live\x1b]0;x\x07\r\n"))
            gateway.soon(lambda: closing.append(gateway.spawn(bench.recorder.close())))
            return joined

        bench.recorder.join = joining  # type: ignore[method-assign] # what happens after a join
        made.set()

    closing: list[Any] = []
    gateway.soon(begin)
    assert made.wait(10)
    told = gatekeep("sessions", "watch", OPEN)
    assert told.code == 0
    assert [row[1:] for row in _table(told.out)] == [
        ["", "stored"],
        ["", "live"],
        ["sequence", "OSC 0;x"],
    ]


def test_who_may_not_look_is_refused(gateway: Gateway, story: Story, gatekeep: Gatekeep) -> None:
    """Exit 3 for every verb that shows or ends what others did."""
    import os  # noqa: PLC0415 - the account that runs this test

    gateway.world.people.uids[os.getuid()] = ALICE
    for arguments in (
        ("replay", CODE), ("watch", OPEN), ("export", CODE), ("kill", OPEN, "--reason", "x"),
    ):  # fmt: skip
        assert gatekeep("sessions", *arguments).code == 3, arguments
    assert gatekeep("sessions", "show", CODE).code == 0  # her own


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90s", 90), ("90", 90), ("1h2m3s", 3723), ("2m", 120), ("0s", 0)],
)
def test_moments_from_the_start(text: str, expected: int) -> None:
    """Lengths of time count from the beginning."""
    assert from_moment(text, 1_763_000_000_000_000) == expected * 1_000_000


def test_moments_of_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A time of day is that of the session, past midnight too; nonsense is refused."""
    import time  # noqa: PLC0415 - the zone of this test

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    started = 1_763_000_000_000_000  # 02:13:20 UTC
    assert from_moment("02:14", started) == 40 * 1_000_000
    assert from_moment("02:13:30", started) == 10 * 1_000_000
    assert from_moment("02:13", started) == 0
    assert from_moment("00:13:20", started) == 22 * 3600 * 1_000_000
    for text in ("25:00", "1x", "h", "", "-1", "9" * 20):
        with pytest.raises(Stop):
            from_moment(text, started)
    monkeypatch.undo()
    time.tzset()
