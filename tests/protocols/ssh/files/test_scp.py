"""One scp conversation in both directions: no name and no byte of a file passes undecided."""

from __future__ import annotations

import hashlib

import pytest
from support.sftp_talk import only, paths_of, tags_of

from gatekeep.domain.events import EventKind
from gatekeep.domain.outcomes import OutcomeKind
from gatekeep.protocols.ssh.files.file_turns import (
    Answer,
    Note,
    Relay,
    Settled,
    Submit,
    ToTarget,
    Turn,
    Violation,
)
from gatekeep.protocols.ssh.files.scp import ScpConversation
from gatekeep.protocols.ssh.files.scp_records import ScpCommand, read_command

HOME = "/home/deploy"


def takes(path: str = "in", words: str = "-rpt") -> ScpConversation:
    """`scp -t`, with the target ready."""
    command = read_command(["scp", words, path])
    assert command is not None
    talk = ScpConversation(command, home=HOME)
    assert talk.receive_target(b"\0") == [Relay(b"\0")]
    return talk


def gives(*paths: str, words: str = "-rpf") -> ScpConversation:
    """`scp -f`, with the client ready."""
    command = read_command(["scp", words, *paths])
    assert command is not None
    talk = ScpConversation(command, home=HOME)
    assert talk.receive_client(b"\0") == [ToTarget(b"\0")]
    return talk


def submit_of(turns: list[Turn]) -> Submit:
    """The one that is there."""
    (found,) = only(Submit, turns)
    return found


def test_a_file_to_the_target() -> None:
    """Record, decision, reply, bytes, end, reply: then it is settled with its hash."""
    talk = takes()
    submit = submit_of(talk.receive_client(b"C0644 5 a\n"))
    assert submit.action.mode == "scp"
    assert submit.action.details == {"operation": "write", "permissions": "0644", "size": 5}
    assert submit.action.facts[0].action == "sftp.write"
    assert paths_of(submit.action) == {"in", "in/a", f"{HOME}/in", f"{HOME}/in/a"}
    assert talk.release(submit.key) == [ToTarget(b"C0644 5 a\n")]
    assert talk.receive_target(b"\0") == [Relay(b"\0")]
    assert talk.receive_client(b"hel") == [ToTarget(b"hel")]
    assert talk.receive_client(b"lo\0") == [ToTarget(b"lo"), ToTarget(b"\0")]
    relayed, settled = talk.receive_target(b"\0")
    assert relayed == Relay(b"\0")
    assert isinstance(settled, Settled)
    assert settled.outcome.kind is OutcomeKind.DONE
    assert settled.outcome.bytes_in == 5
    assert settled.details["written"]["sha256"] == hashlib.sha256(b"hello").hexdigest()


def test_a_file_from_the_target() -> None:
    """The client hears the name only once it is released."""
    talk = gives("/srv/a")
    turns = talk.receive_target(b"C0600 2 a\n")
    submit = submit_of(turns)
    assert only(Relay, turns) == []
    assert paths_of(submit.action) == {"/srv/a"}
    assert submit.action.facts[0].action == "sftp.read"
    assert talk.release(submit.key) == [Relay(b"C0600 2 a\n")]
    assert talk.receive_client(b"\0") == [ToTarget(b"\0")]
    assert talk.receive_target(b"hi\0") == [Relay(b"hi"), Relay(b"\0")]
    (settled,) = only(Settled, talk.receive_client(b"\0"))
    assert settled.outcome.bytes_out == 2


def test_a_refused_file_is_passed_over_by_either_side() -> None:
    """A source that is a client gets the error as a reply; one that is a target, and the client, too."""
    talk = takes()
    key = submit_of(talk.receive_client(b"T1 0 2 0\nC0644 5 a\n")).key
    assert talk.refuse(key, ("gatekeep: no", "gatekeep: rule r")) == [
        Answer(b"\1gatekeep: no; rule r\n")
    ]
    assert submit_of(talk.receive_client(b"C0644 5 b\n")).key == key + 1
    talk = gives("a", "b")
    key = submit_of(talk.receive_target(b"C0600 2 a\n")).key
    assert talk.refuse(key, ("gatekeep: no",)) == [
        ToTarget(b"\1not permitted\n"), Answer(b"\1gatekeep: no\n"),
    ]  # fmt: skip
    assert submit_of(talk.receive_target(b"C0600 2 b\n")).key == key + 1


def test_times_wait_for_their_file() -> None:
    """Nothing undecided goes out, so times are taken by us and sent before the file's record."""
    talk = takes()
    assert talk.receive_client(b"T9 0 8 0\n") == [Answer(b"\0")]
    submit = submit_of(talk.receive_client(b"C0644 1 a\n"))
    assert submit.action.details["times"] == [8, 9]
    assert talk.release(submit.key) == [ToTarget(b"T9 0 8 0\n")]
    assert talk.receive_target(b"\0") == [ToTarget(b"C0644 1 a\n")]
    assert talk.receive_target(b"\0") == [Relay(b"\0")]


def test_an_error_of_the_sink_ends_the_entry() -> None:
    """Whichever reply it takes the place of, the source learns it and the event says it."""
    for replies, sent in ((b"", b""), (b"\0", b"x\0")):
        talk = takes()
        talk.release(submit_of(talk.receive_client(b"C0644 1 a\n")).key)
        talk.receive_target(replies)
        talk.receive_client(sent)
        turns = talk.receive_target(b"\1scp: disk full\n")
        assert only(Relay, turns) == [Relay(b"\1scp: disk full\n")]
        (settled,) = only(Settled, turns)
        assert settled.outcome.kind is OutcomeKind.FAILED
        assert settled.outcome.message == "scp: disk full"
        assert only(Submit, talk.receive_client(b"C0644 1 b\n"))


def test_an_error_of_the_source_makes_the_file_failed() -> None:
    """It could not read all of it: the sink is told, and says that it has what it has."""
    talk = takes()
    talk.release(submit_of(talk.receive_client(b"C0644 1 a\n")).key)
    talk.receive_target(b"\0")
    assert only(ToTarget, talk.receive_client(b"x\1scp: read\n"))[1].data == b"\1scp: read\n"
    (settled,) = only(Settled, talk.receive_target(b"\0"))
    assert settled.outcome.kind is OutcomeKind.FAILED


def test_directories_make_the_paths_of_what_is_in_them() -> None:
    """Two ways where the first may be what the command names itself."""
    talk = takes("/srv/x")
    talk.release(submit_of(talk.receive_client(b"D0755 0 .ssh\n")).key)
    (settled,) = only(Settled, talk.receive_target(b"\0"))
    assert settled.outcome.kind is OutcomeKind.DONE
    action = submit_of(talk.receive_client(b"C0600 0 config\n")).action
    assert paths_of(action) == {"/srv/x/.ssh/config", "/srv/x/config"}
    assert tags_of(action) == {"persistence"}
    talk.refuse(2, ())
    assert talk.receive_client(b"E\n") == [ToTarget(b"E\n")]
    assert talk.receive_target(b"\0") == [Relay(b"\0")]
    action = submit_of(talk.receive_client(b"C4755 0 b\n")).action
    assert paths_of(action) == {"/srv/x/b", "/srv/x"}
    assert tags_of(action) == {"privilege"}


@pytest.mark.parametrize(
    "record",
    [
        b"C0644 1 ../x\n", b"C0644 1 /x\n", b"C0644 1 ..\n", b"C0644 1 .\n", b"C0644 1 \n",
        b"C0644 1 other\n", b"D0755 0 a\n", b"C0644 1 a\x1b[2J\n", b"C0644 1 a\0\n", b"C0644 -1 a\n",
        b"C0644 99999999999999999999 a\n", b"X\n", b"E\n", b"T1 0 1 0\nT1 0 1 0\n", b"a" * 9000,
        b"C0999 1 a\n", b"\n", b"T1 0 1 0\nE\n",
    ],
)  # fmt: skip
def test_a_hostile_target_gives_nothing_that_was_not_asked_for(record: bytes) -> None:
    """The session ends with a note and a last line for the client; no name passed."""
    talk = gives("a", words="-pf")
    turns = talk.receive_target(record)
    assert [turn.whose for turn in only(Violation, turns)] == ["target"]
    assert [turn.kind for turn in only(Note, turns)] == [EventKind.TARGET_FAULT]
    assert only(Relay, turns) == []
    assert only(Answer, turns)[-1].data.startswith(b"\2gatekeep: the target sent")
    assert talk.receive_target(b"C0644 1 a\n") == []


def test_a_file_is_given_once() -> None:
    """The same name again was not asked for; under a pattern it may come as it fits."""
    talk = gives("a")
    talk.refuse(submit_of(talk.receive_target(b"C0644 1 a\n")).key, ())
    assert only(Violation, talk.receive_target(b"C0644 1 a\n"))
    talk = gives("/srv/*.txt")
    action = submit_of(talk.receive_target(b"C0644 1 x.txt\n")).action
    assert paths_of(action) == {"/srv/x.txt"}
    talk.refuse(1, ())
    assert only(Violation, talk.receive_target(b"C0644 1 .bashrc\n"))


@pytest.mark.parametrize("reply", [b"\0", b"x", b"\3", b"C0644 1 a\n"])
def test_replies_that_nobody_waits_for_end_it(reply: bytes) -> None:
    """A sink that replies to nothing would move the source on past what was decided."""
    talk = takes()
    turns = talk.receive_target(reply)
    assert [turn.whose for turn in only(Violation, turns)] == ["target"]
    assert only(Relay, turns) == []


def test_error_lines_are_cleaned_and_counted() -> None:
    """Controls do not pass, a target does not speak as us, and it does not go on for ever."""
    talk = gives("a")
    (line,) = talk.receive_target(b"\1scp: \x1b[2Jno\n")
    assert line == Relay(b"\1scp: \\x1b[2Jno\n")
    (line,) = talk.receive_target(b"\1gatekeep: all is well\n")
    assert line == Relay(b"\1target says: gatekeep: all is well\n")
    turns = talk.receive_target(b"\1x\n" * 2000)
    assert [turn.whose for turn in only(Violation, turns)] == ["target"]


def test_nothing_is_read_ahead_without_bound() -> None:
    """What comes while a decision is awaited waits, up to a mebibyte."""
    talk = takes()
    talk.receive_client(b"C0644 5 a\n")
    assert not talk.idle
    assert talk.receive_client(b"x" * 100_000) == []
    assert talk.congested
    turns = talk.receive_client(b"x" * 1_000_000)
    assert [turn.whose for turn in only(Violation, turns)] == ["client"]


def test_a_file_cut_off_is_told_at_the_end() -> None:
    """With what had come of it."""
    talk = takes()
    talk.release(submit_of(talk.receive_client(b"C0644 5 a\n")).key)
    talk.receive_target(b"\0")
    talk.receive_client(b"he")
    (settled,) = talk.finish()
    assert settled.outcome.kind is OutcomeKind.CANCELLED
    assert settled.outcome.bytes_in == 2
    assert talk.finish() == []
    assert talk.receive_client(b"llo") == []


def test_a_decision_counts_once() -> None:
    """A key that is not out is a mistake of the caller."""
    talk = ScpConversation(ScpCommand(takes=True, paths=("x",)))
    with pytest.raises(ValueError, match="not out"):
        talk.release(0)
    talk = takes()
    key = submit_of(talk.receive_client(b"C0644 5 a\n")).key
    talk.release(key)
    with pytest.raises(ValueError, match="not out"):
        talk.release(key)
