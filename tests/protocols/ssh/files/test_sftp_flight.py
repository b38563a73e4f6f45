"""A target that lies, and bounds on both sides: what comes back is matched, checked, counted."""

from __future__ import annotations

import pytest
from support.sftp_talk import (
    Talk,
    by_handle,
    by_path,
    close,
    code_of,
    data,
    extended,
    handle,
    named,
    ok,
    only,
    open_,
    read,
    u32,
    version,
    write,
)

from gatekeep.domain.events import EventKind
from gatekeep.domain.outcomes import OutcomeKind
from gatekeep.protocols.ssh.files import sftp_packets as p
from gatekeep.protocols.ssh.files.file_turns import (
    Answer,
    Note,
    Relay,
    Settled,
    ToTarget,
    Violation,
)
from gatekeep.protocols.ssh.files.sftp import MOST_HANDLES, MOST_REQUESTS

WRITE_FLAGS = p.FLAG_WRITE | p.FLAG_CREATE | p.FLAG_TRUNCATE


@pytest.mark.parametrize(
    "packet",
    [
        ok(99),
        ok(1),
        data(1, b"x"),
        named(1, b"x"),
        p.request(p.ATTRS, 1),
        p.request(p.ATTRS, 1, u32(0), b"?"),
        p.request(p.ATTRS, 1, u32(0x100)),
        version(),
        p.packet(p.ATTRS, b"1"),
        u32(p.MOST_FROM_TARGET + 1),
        p.request(p.STAT, 1, p.string(b"x")),
        p.status(1, p.FAILURE, "x" * 300_000),
    ],
)
def test_a_target_that_breaks_the_protocol_is_cut_off(packet: bytes) -> None:
    """An answer to nothing, of another type, or of another form, is not relayed."""
    talk = Talk()
    talk.release(talk.submitted(by_path(p.STAT, 1, b"x")).key)
    turns = talk.target(packet)
    assert [turn.whose for turn in only(Violation, turns)] == ["target"]
    assert only(Relay, turns) == []


def test_a_target_gives_no_more_than_was_asked_for() -> None:
    """Data longer than the READ, and a READ of more than a mebibyte is cut down."""
    talk = Talk()
    talk.open(1, b"in", b"h")
    (sent,) = talk.client(read(2, b"h", 0, 0xFFFFFFFF))
    assert sent == ToTarget(read(2, b"h", 0, p.MOST_READ))
    talk.target(data(2, b"x"))
    talk.client(read(3, b"h", 1, 4))
    assert [turn.whose for turn in only(Violation, talk.target(data(3, b"12345")))] == ["target"]


def test_a_handle_is_never_two_files() -> None:
    """A target that gives out a handle that is open would make us judge one file by another."""
    talk = Talk()
    talk.open(1, b"in", b"h")
    talk.release(talk.submitted(open_(2, b"other")).key)
    assert [turn.whose for turn in only(Violation, talk.target(handle(2, b"h")))] == ["target"]


def test_names_that_act_are_left_out_of_listings() -> None:
    """The client never sees them, the event does; an empty rest is asked for again."""
    talk = Talk()
    talk.release(talk.submitted(by_path(p.OPENDIR, 1, b"d")).key)
    talk.target(handle(1, b"d"))
    talk.client(by_handle(p.READDIR, 2, b"d"))
    turns = talk.target(named(2, b"ok", b"../evil", b"/etc/passwd", b"a\x1b]0;x", b"", b"..", b"\xc2\x9b1"))
    assert only(Relay, turns) == [Relay(named(2, b"ok", b".."))]
    (note,) = only(Note, turns)
    assert note.kind is EventKind.TARGET_FAULT
    assert note.payload["names"] == ["../evil", "/etc/passwd", "a\\x1b]0;x", "", "\\x9b1"]
    again = by_handle(p.READDIR, 3, b"d")
    talk.client(again)
    assert talk.target(named(3, b"\n")) == [ToTarget(again)]
    assert talk.target(p.status(3, p.EOF, "")) == [Relay(p.status(3, p.EOF, ""))]
    talk.client(close(4, b"d"))
    (settled,) = only(Settled, talk.target(ok(4)))
    assert settled.outcome.rows == 2
    assert settled.details == {"dropped": 6}


def test_a_name_with_controls_is_no_answer() -> None:
    """Where a link leads to is shown on terminals, too."""
    talk = Talk()
    talk.release(talk.submitted(by_path(p.READLINK, 1, b"l")).key)
    turns = talk.target(named(1, b"a\x1b[31m"))
    assert code_of(only(Relay, turns)[0].data) == p.FAILURE
    assert talk.settled()[-1].outcome.kind is OutcomeKind.FAILED


def test_a_target_cannot_speak_as_us() -> None:
    """Its messages are marked where they begin like ours, and lose their controls."""
    talk = Talk()
    talk.release(talk.submitted(by_path(p.STAT, 1, b"x")).key)
    turns = talk.target(p.status(1, p.FAILURE, "gatekeep: see https://evil\x1b[2J"))
    assert b"target says: gatekeep" in only(Relay, turns)[0].data
    assert b"\x1b" not in only(Relay, turns)[0].data


def test_open_files_are_bounded() -> None:
    """The next one is refused by us."""
    talk = Talk()
    for number in range(MOST_HANDLES):
        talk.open(number, b"x", b"%d" % number)
    (answer,) = talk.client(open_(5000, b"x"))
    assert isinstance(answer, Answer)
    assert code_of(answer.data) == p.FAILURE
    talk.client(close(1, b"7"))
    talk.target(ok(1))
    assert talk.submitted(open_(5001, b"x"))


def test_open_requests_are_bounded_by_not_reading_on() -> None:
    """Above the bound the client is not read until the target answers."""
    talk = Talk()
    talk.open(1, b"in", b"h")
    stream = b"".join(read(number, b"h", 0, 1) for number in range(MOST_REQUESTS + 10))
    assert len(talk.client(stream)) == MOST_REQUESTS
    assert talk.conversation.congested
    turns = talk.target(data(0, b"x"))
    assert len(only(ToTarget, turns)) == 1


def test_what_waits_is_bounded_in_bytes() -> None:
    """Requests behind a decision are kept up to a mebibyte, unread ones up to a hard end."""
    talk = Talk()
    talk.submitted(by_path(p.RMDIR, 1, b"x"))
    large = p.string(bytes(200_000))
    for number in range(2, 12):
        talk.client(extended(number, b"users-groups-by-id@openssh.com", large, p.string(b"")))
    assert talk.conversation.congested
    assert talk.conversation.backlog < 3_000_000
    noise = by_path(p.STAT, 99, b"x" * 4000) * 50
    turns = [turn for _ in range(100) for turn in talk.client(noise)]
    assert [turn.whose for turn in only(Violation, turns)] == ["client"]


def test_what_is_unfinished_is_told_at_the_end() -> None:
    """A file that was never closed, and an operation that was never answered."""
    talk = Talk()
    first = talk.open(1, b"out", b"w", WRITE_FLAGS)
    talk.client(write(2, b"w", 0, b"half"))
    second = talk.submitted(by_path(p.REMOVE, 3, b"x")).key
    talk.release(second)
    told = {settled.key: settled for settled in talk.conversation.finish()}
    assert told[first].outcome.kind is OutcomeKind.CANCELLED
    assert told[first].outcome.bytes_in == 4
    assert told[second].outcome.kind is OutcomeKind.UNKNOWN
    assert talk.client(by_path(p.STAT, 9, b"x")) == []


def test_a_write_that_failed_makes_the_file_failed() -> None:
    """Although its close was good."""
    talk = Talk()
    talk.open(1, b"out", b"w", WRITE_FLAGS)
    talk.client(write(2, b"w", 0, b"half"))
    talk.target(p.status(2, p.FAILURE, "disk full"))
    talk.client(close(3, b"w"))
    (settled,) = only(Settled, talk.target(ok(3)))
    assert settled.outcome.kind is OutcomeKind.FAILED
    assert settled.details["failed"] == 1


def test_without_a_home_names_are_not_known() -> None:
    """A target that does not say where names begin leaves relative ones incomplete."""
    talk = Talk(home=None)
    (fact,) = talk.submitted(by_path(p.STAT, 1, b"x")).action.facts
    assert not fact.complete  # type: ignore[union-attr] # a file operation has such facts
