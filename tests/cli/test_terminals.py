"""Terminals of people who look: whatever was recorded, only text, SGR and cursor moves reach them."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from support.gateway_thread import Gatekeep, Gateway
from support.hostile_terminal import HOSTILE, MARK, forbidden, stream
from support.recorded_world import SHELL, STATEMENTS, Story, shell_session, statement_session
from support.terminal import on_terminal

from gatekeep.cli.player import Pace, Player, Script, clock
from gatekeep.domain.sessions import session_code
from gatekeep.recordings.chunks import Record

CODE = session_code(SHELL)
EVIL = "ee" * 16
OPEN = "0b" * 16


@pytest.fixture
def story(gateway: Gateway) -> Story:
    """An ordinary shell, ordinary statements, and a session in which everything is hostile."""
    made = Story(gateway.world)
    shell_session(made)
    statement_session(made)
    made.opened(EVIL)
    records = []
    for number, (name, bad) in enumerate(HOSTILE.items()):
        text = bad[:200].decode("latin-1")
        n = made.released(EVIL, text, parameters=[text], tags=[text], cause=text)
        made.finished(EVIL, n, message=text, tag=text, sqlstate=text)
        records.append(
            [
                Record(number, "o", stream(name)),
                Record(number, "m", bad[:200]),
                Record(number, "t", bad[:200]),
                Record(number, "e", bad[:200]),
            ]
        )
    made.recorded(EVIL, records)
    made.add(EVIL, "session.closed", {"reason": HOSTILE["clipboard"].decode(), "duration_us": 1})
    row = made.world.archive.events[-1].payload
    assert row is not None
    made.opened(OPEN)
    made.live(OPEN)
    return made


def test_a_hostile_recording_is_replayed_harmlessly(gateway: Gateway, story: Story) -> None:
    """All of it at once: nothing but what is allowed is written, and the text is there."""
    code, written = on_terminal(gateway.state, "sessions", "replay", EVIL, "--speed", "1000")
    assert code == 0, written[-300:]
    assert forbidden(written) == ""
    assert MARK.decode() in written


@pytest.mark.parametrize(
    "arguments",
    [
        ("audit", "search", "x"),
        ("audit", "show", "20"),
        ("audit", "show", "16"),
        ("sessions", "ls", "--past"),
        ("sessions", "show", EVIL),
        ("sessions", "export", EVIL, "--format", "text"),
        ("sessions", "export", EVIL, "--format", "cast"),
        ("sessions", "export", EVIL, "--format", "cast2"),
        ("sessions", "export", EVIL, "--format", "jsonl"),
        ("sessions", "show", EVIL, "-o", "json"),
        ("sessions", "show", EVIL, "-o", "yaml"),
    ],
    ids=" ".join,
)
def test_what_is_told_of_it_is_harmless(
    gateway: Gateway, story: Story, arguments: tuple[str, ...]
) -> None:
    """Lists, single events, one session, every export: written to a terminal they drive nothing."""
    code, written = on_terminal(gateway.state, *arguments)
    assert code == 0, written[-300:]
    assert forbidden(written) == ""
    assert len(written) > 100


def test_a_tail_of_it_is_harmless(gateway: Gateway, story: Story) -> None:
    """Events as they come, from the first."""
    gateway.world.archive.ends_after = len(story.world.archive.events)
    code, written = on_terminal(gateway.state, "audit", "tail", "--from", "0")
    assert code == 0
    assert forbidden(written) == ""
    assert "recording.chunk" in written


def test_a_hostile_session_is_watched_harmlessly(gateway: Gateway, story: Story) -> None:
    """Stored and live output of an open session, painted until it closes."""
    made = threading.Event()
    closing: list[Any] = []

    def begin() -> None:
        bench = story.record_live(OPEN)
        for name in HOSTILE:
            bench.recorder.output(stream(name))
        join = bench.recorder.join

        def joining(listener: Any) -> Any:
            joined = join(listener)
            for name in HOSTILE:
                gateway.soon(lambda name=name: bench.recorder.output(stream(name)))  # type: ignore[misc] # the name of this turn
            gateway.soon(lambda: closing.append(gateway.spawn(bench.recorder.close())))
            return joined

        bench.recorder.join = joining  # type: ignore[method-assign] # what happens after a join
        made.set()

    gateway.soon(begin)
    assert made.wait(10)
    code, written = on_terminal(gateway.state, "sessions", "watch", OPEN)
    assert code == 0, written[-300:]
    assert forbidden(written) == ""
    assert MARK.decode() in written


def test_raw_is_refused_on_a_terminal(gateway: Gateway, story: Story) -> None:
    """The bytes themselves go into pipes and files only."""
    code, written = on_terminal(gateway.state, "sessions", "replay", EVIL, "--raw")
    assert code == 2
    assert "--raw is refused on a terminal" in written
    assert MARK.decode() not in written


def test_a_recording_is_paused_searched_and_left(gateway: Gateway, story: Story) -> None:
    """Space pauses, / goes to where a word was printed, q leaves; the terminal is as before."""
    keys = (
        ("/ 0:01:01", b" "),
        ("paused", b"/"),
        ("/", b"exit\n"),
        ("$ exit", b"q"),
    )
    code, written = on_terminal(gateway.state, "sessions", "replay", CODE, keys=keys)
    assert code == 0
    assert "café" in written
    assert "0:01:01 / 0:01:01" in written
    assert forbidden(written) == ""


def test_idle_time_is_cut_and_one_may_begin_later(gateway: Gateway, story: Story) -> None:
    """`--at` begins with the screen of that moment; `--skip-idle` never waits a minute."""
    code, written = on_terminal(
        gateway.state, "sessions", "replay", CODE, "--skip-idle", "--speed", "20"
    )
    assert code == 0
    assert "$ exit" in written
    code, written = on_terminal(gateway.state, "sessions", "replay", CODE, "--at", "1m")
    assert code == 0
    assert "café" in written


def test_statements_play_as_lines(gateway: Gateway, story: Story) -> None:
    """A Postgres session plays as a transcript, with shapes and words."""
    code, written = on_terminal(gateway.state, "sessions", "replay", STATEMENTS, "--speed", "100")
    assert code == 0
    assert "● allow  select * from orders" in written
    assert "└ done SELECT 40 12 ms" in written
    assert "■ deny  drop table orders  (policy)" in written or "■ deny  drop table" in written


class _Stage:
    """Notes what was taken and what the status was."""

    def __init__(self) -> None:
        self.taken: list[int] = []

    def take(self, moment: int) -> None:
        """One more."""
        self.taken.append(moment)

    def picture(self, status: str) -> str:
        """The status alone."""
        return f"[{len(self.taken)}: {status}]"

    def leave(self) -> str:
        """A sign that it ended."""
        return "[left]"


class _Keys:
    """Time passes only here; keys come at given moments."""

    def __init__(self, presses: dict[float, str]) -> None:
        self.now = 0.0
        self._presses = sorted(presses.items())
        self.waits: list[float | None] = []

    def wait(self, seconds: float | None) -> str:
        """The next key, if it comes in time."""
        self.waits.append(seconds)
        until = None if seconds is None else self.now + seconds
        if self._presses and (until is None or self._presses[0][0] <= until):
            self.now = max(self.now, self._presses[0][0])
            return self._presses.pop(0)[1]
        assert until is not None, "waits for ever"
        self.now = until
        return ""


def _played(pace: Pace, presses: dict[float, str]) -> tuple[float, list[int], str]:
    stage, keys, written = _Stage(), _Keys(presses), []
    script = Script([0, 1_000_000, 31_000_000, 32_000_000], ["a", "b needle", "c", "d"])
    Player(
        script, stage, keys, written.append, pace=pace, now=lambda: keys.now
    ).play()
    return keys.now, stage.taken, "".join(written)


@pytest.mark.parametrize(
    ("pace", "presses", "seconds", "taken"),
    [
        (Pace(), {}, 32.0, 4),
        (Pace(speed=4), {}, 8.0, 4),
        (Pace(skip_idle=True), {}, 4.0, 4),
        (Pace(from_us=31_000_000), {}, 1.0, 4),
        (Pace(from_us=30_000_000), {}, 2.0, 4),
        (Pace(), {0.5: " ", 10.5: " "}, 42.0, 4),
        (Pace(), {5.0: "q"}, 5.0, 2),
        (Pace(), {0.5: "/", 0.6: "n", 0.7: "x", 0.8: "\x7f", 0.9: "\n", 3.0: "q"}, 3.0, 2),
    ],
)
def test_the_pace(pace: Pace, presses: dict[float, str], seconds: float, taken: int) -> None:
    """Speed, cut idle time, a later beginning, pause, q, and search, to the tenth of a second."""
    lasted, moments, written = _played(pace, presses)
    assert lasted == pytest.approx(seconds, abs=0.11)
    assert moments == list(range(taken))
    assert written.endswith("[left]")
    assert clock(3_723_000_000) == "1:02:03"


def test_a_quick_burst_is_not_painted_piece_by_piece() -> None:
    """Many moments at once cost few frames."""
    stage, keys, written = _Stage(), _Keys({}), []
    script = Script(list(range(5000)), [""] * 5000)
    Player(script, stage, keys, written.append, pace=Pace(1000), now=lambda: keys.now).play()
    assert len(stage.taken) == 5000
    assert len(written) < 40


def test_replay_in_a_pipe_needs_no_keys(story: Story, gatekeep: Gatekeep) -> None:
    """Hostile text in a pipe is escaped, whole."""
    told = gatekeep("sessions", "replay", EVIL)
    assert told.code == 0
    assert forbidden(told.out) == ""
    assert "OSC 52;c;" in told.out
