"""What is told of SSH sessions afterwards, through a whole gateway: found, shown, replayed, exported.

One day of alice's at the start: commands, a shell, files, tunnels, a jump and refusals. Every story
then asks the command line about it, as a reviewer would.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.opened_journal import recorded, unbroken, without
from support.running_gateway import until
from support.ssh_day import GUARDED, TOUCH, WELCOME, Day, lived, reviewing
from support.ssh_journey import Answer, ssh_gateway, way_through
from support.ssh_target import SshTarget
from support.ssh_terminal import terminal

pytestmark = pytest.mark.journey

@pytest.fixture(scope="module")
def day(ssh_target: SshTarget) -> Iterator[Day]:
    """The day, told once."""
    directory = Path(tempfile.mkdtemp(prefix="gk-r-"))
    (directory / "g").mkdir()
    gateway = ssh_gateway(
        ssh_target, directory / "g", policy=GUARDED,
        groups={"alice": "engineers", "bob": "security"},
    )  # fmt: skip
    try:
        gateway.start()
        made = Day(gateway, way_through(gateway, ssh_target, directory / "w", None))
        lived(made)
        yield made
        assert gateway.verify().returncode == 0
    except BaseException as error:
        error.add_note(f"the gateway's diagnostics:\n{gateway.log[-6000:]}")
        raise
    finally:
        gateway.stop()
        shutil.rmtree(directory, ignore_errors=True)


# -- words (design 11 §4) ----------------------------------------------------------------------


def test_a_refused_command_says_why_on_stderr_alone_and_ends_126(day: Day) -> None:
    """Three lines, byte for byte; nothing on stdout; nothing was made."""
    made = f"{day.files}/made".encode()
    assert day.seen["refused"] == Answer(126, b"", TOUCH % made)
    assert not Path(made.decode()).exists()


def test_what_is_permitted_says_nothing_of_us(day: Day) -> None:
    """Neither stream of a command has a word of ours, before and behind a refusal alike."""
    assert day.seen["ran"] == Answer(3, b"needle-in-exec\n", b"")
    assert day.seen["jumped"] == Answer(0, b"over-the-jump\n", b"")
    script = "head -c 100000 /dev/zero | tr '\\0' x; exit 5"
    before = day.way.ssh(script)
    assert day.way.ssh("touch /nowhere").code == 126
    assert day.way.ssh(script) == before == Answer(5, b"x" * 100_000, b"")


def test_a_shell_begins_with_one_line_and_refuses_in_three(day: Day) -> None:
    """Who, where, as whom, under which name; the same three lines, each at the margin."""
    seen = day.seen["shell"]
    welcomes = re.findall(WELCOME, seen)
    assert len(welcomes) == 1
    for line in (TOUCH % f"{day.files}/from-shell".encode()).splitlines():
        assert re.search(rb"\n\r?(\x1b\[K)?" + re.escape(line) + rb"\r\n", seen), (line, seen)


def test_a_refused_file_and_tunnel_are_told_in_one_line(day: Day) -> None:
    """Refused sftp operations say so in our words; ssh names why it could not open a channel."""
    assert b"policy does not allow remove" in day.seen["sftp"].err, day.seen["sftp"]
    told = day.seen["tunnels"]
    assert b"gatekeep: policy does not allow a tunnel to 192.0.2.1:7 through web-1" in told
    assert b"gatekeep: no tunnel leads to 169.254.169.254" in told


# -- search ------------------------------------------------------------------------------------


QUERIES = [
    ("class:ssh.exec needle-in-exec", 1),
    ("class:ssh.exec decision:deny touch", None),
    ("class:ssh.shell", 1),
    ("class:ssh.line needle-in*", 1),
    ("class:ssh.line decision:deny rule:no-touch", 1),
    ("class:sftp.write decision:allow", None),
    ("class:sftp.delete decision:deny rule:no-removals", 1),
    ("class:tunnel.open decision:deny rule:no-strangers", 1),
    ("class:tunnel.open decision:deny 169.254.169.254", 1),
    ("class:tunnel.open decision:allow outcome:done", 1),
    ("tag:writes decision:deny", None),
    ("kind:channel.opened", None),
    ("kind:recording.chunk", None),
    ("over-the-jump", 1),
    ("kind:session.opened application", 0),
]


@pytest.mark.parametrize(("query", "count"), QUERIES)
def test_a_search_finds_it_by_every_key(day: Day, query: str, count: int | None) -> None:
    """By class, decision, rule, tag, outcome, kind and words; always by who and where, too."""
    found = [event for event in day.found(query) if event["envelope"]["k"] != "audit.read"]
    assert len(found) == count if count is not None else found
    both = day.found(f"principal:alice target:web-1 {query}")
    assert [event["n"] for event in both] == [event["n"] for event in found]


def test_a_search_for_somebody_else_finds_nothing_of_hers(day: Day) -> None:
    """Neither another person's name nor another target's leads to her actions."""
    assert day.found("principal:bob class:ssh.*") == []
    assert day.found("target:orders class:ssh.*") == []


def test_a_search_finds_a_whole_session_by_its_code(day: Day) -> None:
    """The code that the person read in her shell leads to all of it."""
    code = re.findall(WELCOME, day.seen["shell"])[0][1].decode()
    kinds = {event["envelope"]["k"] for event in day.found(f"session:{code}")}
    assert {
        "session.opened", "session.closed", "action.released", "action.refused", "recording.chunk",
    } <= kinds  # fmt: skip


def test_what_was_printed_is_no_text_of_the_index(day: Day) -> None:
    """Chunks are found by kind and session; their bytes are not words."""
    assert day.found("kind:recording.chunk grün") == []
    assert day.found("kind:recording.chunk needle-in-shell") == []


def test_rows_of_a_search_name_person_outcome_and_session(day: Day) -> None:
    """Each row of one session says whose it is, also where an event does not repeat it."""
    code = re.findall(WELCOME, day.seen["shell"])[0][1].decode()
    rows = day.table("audit", "search", f"session:{code}")
    assert {row[4] for row in rows} == {"alice"}
    assert {row[9] for row in rows} == {code}
    (shell,) = [row for row in rows if row[6] == "ssh.shell"]
    assert shell[7].startswith("failed exit 4")
    assert shell[8] == "interactive shell, xterm"


def test_tail_tells_each_event_on_one_readable_line(day: Day) -> None:
    """In a pipe and on a terminal: a line each, and none of them empty of words."""
    ends = [event["n"] for event in day.found("kind:session.closed")]
    with subprocess.Popen(
        [*day.gateway._cli(), "audit", "tail", "--from", "0"], stdout=subprocess.PIPE,
        env=day.gateway._environment(), text=True,
    ) as tail:  # fmt: skip
        assert tail.stdout is not None
        rows: list[list[str]] = []
        while not rows or int(rows[-1][1]) < max(ends):
            rows.append(tail.stdout.readline().rstrip("\n").split("\t"))
        tail.terminate()
    assert [int(row[1]) for row in rows] == list(range(len(rows)))
    assert all(len(row) == 10 for row in rows)
    for row in rows:
        assert row[7] or row[8], row
        assert row[4] == "alice" or not row[5], f"a target, and nobody: {row}"
    with_person = reviewing(day.gateway, "audit", "tail", "--from", "0")
    try:
        with_person.until(rb"session\.closed  alice \xe2\x86\x92 web-1  client left after")
    finally:
        with_person.close()


def test_an_event_is_shown_whole(day: Day) -> None:
    """`audit show N`: decision, rule, commands and session by name, one value a line."""
    (event,) = day.found("class:ssh.line decision:deny rule:no-touch")
    lines = day.cli("audit", "show", str(event["n"])).splitlines()
    assert f"n: {event['n']}" in lines
    for wanted in ("  mode: line", "  assurance: inferred", "    verdict: deny", "    rule: no-touch"):
        assert wanted in lines, lines
    assert f"  text: touch {day.files}/from-shell" in lines
    assert all("\x1b" not in line for line in lines)


# -- sessions ----------------------------------------------------------------------------------


def shell_code(day: Day) -> str:
    """The code of the shell's session."""
    return re.findall(WELCOME, day.seen["shell"])[0][1].decode()


def test_sessions_are_listed_and_shown(day: Day) -> None:
    """Each with person, target, protocol, state; the shell with its one complete recording."""
    rows = day.table("sessions", "ls", "--past", "--principal", "alice", "--protocol", "ssh")
    assert {tuple(row[1:3]) for row in rows} == {("alice", "web-1")}
    assert {row[5] for row in rows} == {"closed"}
    shown = json.loads(day.cli("sessions", "show", shell_code(day), "-o", "json"))
    (facts,) = shown["recordings"]
    assert facts["final"] is True
    assert (facts["columns"], facts["rows"]) == (120, 30)
    told = day.cli("sessions", "show", shell_code(day))
    assert "\tallow\tinteractive shell, xterm" in told
    assert "(rule no-touch)" in told
    people = day.on_a_terminal("sessions", "ls", "--past")
    assert shell_code(day).encode() in people


def test_a_shell_replays_as_text_and_on_a_screen(day: Day) -> None:
    """Into a pipe every line with its moment; on a terminal it plays, and `q` leaves."""
    rows = day.table("sessions", "replay", shell_code(day))
    assert ["", "needle-in-shell grün"] in [row[1:] for row in rows]
    ours = [row[2] for row in rows if row[1] == "gatekeep"]
    assert ours[0] == f"gatekeep: alice on web-1 as {day.way.target.account}, recorded as {shell_code(day)}"
    refusal = (TOUCH % f"{day.files}/from-shell".encode()).decode().splitlines()
    assert ours[1:] == refusal
    assert ["size", "100x40"] in [row[1:] for row in rows]
    assert ["exit", "4"] in [row[1:] for row in rows]
    shown = day.on_a_terminal(
        "sessions", "replay", shell_code(day), "--speed", "1000", keys=b"q",
        first="needle-in-shell grü".encode(),  # where it goes on is told to the terminal
    )  # fmt: skip
    assert b"\x1b[?2004h" not in shown, "painted by us, not by the target"


def test_the_recording_is_what_the_person_saw(day: Day) -> None:
    """Byte for byte, without our own words, which are recorded as such."""
    raw = subprocess.run(
        [*day.gateway._cli(), "sessions", "replay", shell_code(day), "--raw"], capture_output=True,
        check=True, timeout=60, env=day.gateway._environment(),
    ).stdout  # fmt: skip
    chunk = day.found(f"session:{shell_code(day)} kind:recording.chunk")[-1]
    assert chunk["payload"]["sha256"] == hashlib.sha256(raw).hexdigest()
    assert chunk["payload"]["counts"]["output"] == len(raw)
    shown, words = recorded(day.gateway, shell_code(day))
    assert shown == raw
    assert without(day.seen["shell"], words) == unbroken(shown)


def test_a_command_keeps_size_hash_and_ends_of_its_output(day: Day) -> None:
    """Without a terminal: no screen, but what was said."""
    (event,) = day.found("class:ssh.exec needle-in-exec")
    text = day.cli("sessions", "replay", session_of(day, event))
    digest = hashlib.sha256(b"needle-in-exec\n").hexdigest()
    assert f"stdout\t15 bytes, sha256 {digest}" in text
    assert "stdout\tneedle-in-exec" in text


def test_files_say_what_went_over(day: Day) -> None:
    """The outcome of a transfer names size and SHA-256 of what was written and read."""
    digest = hashlib.sha256((day.files / "near" / "up").read_bytes()).hexdigest()
    moved = [event for event in day.found("class:sftp.write outcome:done") if event["outcome"]]
    told = json.dumps([event["outcome"].get("details", {}) for event in moved])
    assert told.count(digest) == 3, "one sftp, and two kinds of scp"


@pytest.mark.parametrize("wanted", ["cast", "cast2", "text", "jsonl"])
def test_an_export_holds_the_same_output(day: Day, tmp_path: Path, wanted: str) -> None:
    """In each format, to a file that did not exist and that nobody else reads."""
    file = tmp_path / "out"
    day.cli("sessions", "export", shell_code(day), "--format", wanted, "-f", str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    text = file.read_text()
    assert "needle-in-shell" in text or wanted == "jsonl"
    again = day.gateway.run("sessions", "export", shell_code(day), "--format", wanted, "-f", str(file))
    assert again.returncode == 1, "an existing file is not written over"
    assert file.read_text() == text


def test_each_view_is_an_event(day: Day) -> None:
    """Who looked at whose recording, and how."""
    day.cli("sessions", "replay", shell_code(day))
    views = day.found("kind:recording.viewed")
    assert views
    last = views[-1]["payload"]
    assert (last["of"], last["way"]) == ("alice", "replay")
    rows = day.table("audit", "search", "kind:recording.viewed")
    assert rows[0][8] == f"replay of {shell_code(day)} of alice"


def test_a_watcher_joins_from_the_middle_and_a_kill_is_told(day: Day) -> None:
    """Nothing is lost or repeated for who comes late; the person reads who ended it, and why."""
    with terminal(day.way.line("ssh", "-tt", "web-1"), 30, 120) as person:
        code = person.until(WELCOME).group(2).decode()
        person.type(b"for n in $(seq 1 60); do echo count-$n-; sleep 0.05; done; echo al''l\r")
        person.until(rb"count-20-")
        with subprocess.Popen(
            [*day.gateway._cli(), "sessions", "watch", code], stdout=subprocess.PIPE,
            env=day.gateway._environment(),
        ) as watching:  # fmt: skip
            on_screen = reviewing(day.gateway, "sessions", "watch", code)
            person.until(rb"\nall\r\n")
            on_screen.until(rb"count-60-")
            done = day.gateway.run("sessions", "kill", code, "--reason", "suspected leaked key")
            assert done.returncode == 0, done.stderr
            person.until(rb"\r\ngatekeep: owner ended this session: suspected leaked key\r\n")
            person.end()
            out = watching.communicate(timeout=30)[0].decode()
            assert watching.returncode == 0
            assert on_screen.end() == 0
            on_screen.close()
    counted = re.findall(r"\tcount-(\d+)-$", out, re.MULTILINE)
    assert counted == [str(n) for n in range(1, 61)]
    until(lambda: day.found(f"session:{code} kind:session.closed"), "the session is closed")
    assert "suspected leaked key (owner)" in day.cli("sessions", "show", code)
    (killed,) = day.found("kind:session.killed")
    assert killed["payload"]["reason"] == "suspected leaked key"


def session_of(day: Day, event: dict[str, Any]) -> str:
    """The code of an event's session."""
    rows = day.table("audit", "search", f"session:{event['envelope']['s']}")
    return rows[0][9]
