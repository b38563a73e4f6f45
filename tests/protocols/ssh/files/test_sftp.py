"""One sftp conversation: nothing undecided reaches the target, every request is answered once."""

from __future__ import annotations

import hashlib

import pytest
from support.sftp_talk import (
    HOME,
    INIT,
    PROBES,
    Talk,
    by_handle,
    by_path,
    close,
    code_of,
    data,
    extended,
    is_probe,
    named,
    ok,
    only,
    open_,
    paths_of,
    read,
    tags_of,
    u32,
    u64,
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
    Submit,
    ToTarget,
    Violation,
)
from gatekeep.protocols.ssh.files.sftp import SftpConversation

WRITE_FLAGS = p.FLAG_WRITE | p.FLAG_CREATE | p.FLAG_TRUNCATE


def test_the_greeting_agrees_on_version_3_and_known_extensions() -> None:
    """The target hears our INIT, the client its VERSION without what we do not understand."""
    talk = SftpConversation()
    assert talk.receive_client(p.packet(p.INIT, u32(6), p.string(b"x"), p.string(b"y"))) == [
        ToTarget(INIT)
    ]
    told = {b"copy-data": b"1", b"vendor-id": b"z", b"posix-rename@openssh.com": b"9"}
    turns = talk.receive_target(version(told))
    assert turns[0] == Relay(version({b"copy-data": b"1"}))
    assert isinstance(turns[1], ToTarget)
    assert is_probe(turns[1].data)
    refused = Talk(extensions={}).client(extended(1, b"copy-data", b""))
    assert [code_of(turn.data) for turn in only(Answer, refused)] == [p.OP_UNSUPPORTED]
    assert [turn.kind for turn in only(Note, refused)] == [EventKind.PROTOCOL_FAULT]


@pytest.mark.parametrize(
    ("client", "target", "whose"),
    [
        (p.packet(p.INIT, u32(2)), b"", "client"),
        (open_(1, b"x"), b"", "client"),
        (INIT + open_(1, b"x"), b"", "client"),
        (INIT, version(number=4), "target"),
        (INIT, ok(1), "target"),
        (b"", version(), "target"),
    ],
)
def test_a_greeting_of_another_kind_ends_it(client: bytes, target: bytes, whose: str) -> None:
    """Nothing is guessed: another version, or anything before it, is a violation."""
    talk = SftpConversation()
    turns = talk.receive_client(client) + talk.receive_target(target)
    assert [turn.whose for turn in only(Violation, turns)] == [whose]
    assert talk.receive_client(INIT) == []
    assert talk.receive_target(version()) == []


def test_a_request_before_the_home_is_known_waits() -> None:
    """Relative names begin at the home, so nothing is read before the target has said where."""
    talk = SftpConversation()
    talk.receive_client(INIT)
    (_, question) = talk.receive_target(version())
    assert talk.receive_client(by_path(p.STAT, 1, b"x")) == []
    assert not talk.idle
    turns = talk.receive_target(named(PROBES, HOME))
    assert all(is_probe(turn.data) for turn in only(ToTarget, turns))
    assert len(turns) == 2
    assert isinstance(question, ToTarget)


def test_an_operation_goes_out_as_it_came_once_it_is_released() -> None:
    """Submitted with all its names, then the client's own bytes, then the target's answer."""
    talk = Talk(lambda path: {b"logs": b"/srv/logs", b"logs/x": b"/srv/logs/x"}[path])
    packet = by_path(p.REMOVE, 7, b"logs/x")
    submit = talk.submitted(packet)
    assert talk.sent == INIT
    assert submit.action.mode == "sftp"
    assert submit.action.text == "logs/x"
    assert paths_of(submit.action) == {"logs/x", "/home/deploy/logs/x", "/srv/logs/x"}
    assert submit.action.facts[0].action == "sftp.delete"
    assert talk.release(submit.key) == [ToTarget(packet)]
    status = p.status(7, p.OK, "")
    assert talk.target(status)[0] == Relay(status)
    assert talk.settled()[0].outcome.kind is OutcomeKind.DONE


def test_a_refused_operation_is_answered_by_us() -> None:
    """Permission denied with the first of the words, and nothing for the target."""
    talk = Talk()
    submit = talk.submitted(by_path(p.REMOVE, 7, b"x"))
    turns = talk.refuse(submit.key, "gatekeep: policy does not allow it", "gatekeep: rule r")
    assert turns == [
        Answer(p.status(7, p.PERMISSION_DENIED, "gatekeep: policy does not allow it"))
    ]
    assert talk.sent == INIT
    assert talk.conversation.idle


def test_a_decision_counts_once() -> None:
    """A key that is not out is a mistake of the caller, and nothing is sent."""
    talk = Talk()
    submit = talk.submitted(by_path(p.REMOVE, 7, b"x"))
    talk.release(submit.key)
    for decide in (talk.conversation.release, lambda key: talk.conversation.refuse(key, ())):
        with pytest.raises(ValueError, match="not out"):
            decide(submit.key)
        with pytest.raises(ValueError, match="not out"):
            decide(99)


def test_a_link_on_the_way_is_seen_through() -> None:
    """What a name leads to on the target is judged beside what it says."""
    talk = Talk({b"/srv": b"/srv", b"/srv/l": b"/etc/shadow"}.get)
    action = talk.submitted(open_(1, b"/srv/l")).action
    assert paths_of(action) == {"/srv/l", "/etc/shadow"}
    assert tags_of(action) == {"reads_secret"}


def test_content_is_counted_and_hashed_in_both_directions() -> None:
    """Written and read whole: one hash each, told when the file is closed."""
    talk = Talk()
    key = talk.open(1, b"out", b"h", WRITE_FLAGS)
    body = bytes(range(256)) * 300
    for at in range(0, len(body), 32768):
        piece = write(2, b"h", at, body[at : at + 32768])
        assert talk.client(piece) == [ToTarget(piece)]
        assert talk.target(ok(2)) == [Relay(ok(2))]
    assert talk.client(close(3, b"h")) == [ToTarget(close(3, b"h"))]
    (settled,) = only(Settled, talk.target(ok(3)))
    digest = hashlib.sha256(body).hexdigest()
    assert settled.key == key
    assert settled.outcome.bytes_in == len(body)
    assert settled.details == {"written": {"bytes": len(body), "sha256": digest}}
    talk.open(4, b"out", b"h")
    for number, at in enumerate(range(0, len(body) + 1, 32768), 10):
        talk.client(read(number, b"h", at, 32768))
        talk.target(data(number, body[at : at + 32768]))
    talk.client(read(50, b"h", len(body), 32768))
    talk.target(p.status(50, p.EOF, ""))
    talk.client(close(51, b"h"))
    (settled,) = only(Settled, talk.target(ok(51)))
    assert settled.outcome.bytes_out == len(body)
    assert settled.details == {"read": {"bytes": len(body), "sha256": digest}}


def test_answers_in_any_order_leave_the_hash_whole() -> None:
    """Some targets work on several READs at once."""
    talk = Talk()
    talk.open(1, b"in", b"h")
    talk.client(*(read(10 + n, b"h", n * 4, 4) for n in range(4)), close(9, b"h"))
    talk.target(data(12, b"cccc"), data(11, b"bbbb"), ok(9), data(13, b"d"))
    (settled,) = only(Settled, talk.target(data(10, b"aaaa")))
    assert settled.details["read"] == {
        "bytes": 13, "sha256": hashlib.sha256(b"aaaabbbbccccd").hexdigest(),
    }  # fmt: skip


def test_answers_too_early_are_not_kept_for_ever() -> None:
    """A target that never answers the first READ costs a bounded memory, and the one hash."""
    talk = Talk()
    talk.open(1, b"in", b"h")
    size = p.MOST_READ
    talk.client(*(read(10 + n, b"h", n * size, size) for n in range(12)))
    for n in range(1, 12):
        talk.target(data(10 + n, bytes(size)))
    talk.target(data(10, bytes(size)))
    talk.client(close(50, b"h"))
    (settled,) = only(Settled, talk.target(ok(50)))
    assert settled.details["read"]["bytes"] == 12 * size
    assert settled.details["read"]["sparse"] is True


def test_a_resumed_file_says_where_it_began() -> None:
    """A hash is of what went over, and is not called that of a file."""
    talk = Talk()
    talk.open(1, b"in", b"h")
    talk.client(read(2, b"h", 100, 4))
    talk.target(data(2, b"abcd"))
    talk.client(close(3, b"h"))
    (settled,) = only(Settled, talk.target(ok(3)))
    assert settled.details["read"]["sparse"] is True
    assert settled.details["read"]["ranges"] == [
        {"offset": 100, "bytes": 4, "sha256": hashlib.sha256(b"abcd").hexdigest()}
    ]


def test_a_handle_is_good_for_what_was_decided() -> None:
    """A file opened for reading is not written, a closed or unknown handle is nothing."""
    talk = Talk()
    talk.open(1, b"in", b"h")
    talk.open(2, b"out", b"w", WRITE_FLAGS)
    turns = talk.client(
        write(3, b"h", 0, b"x"), read(4, b"w", 0, 9), by_handle(p.READDIR, 5, b"h"), close(6, b"?"),
        read(7, b"?", 0, 1), by_handle(p.FSETSTAT, 8, b"?", u32(0)),
        extended(9, b"fsync@openssh.com", p.string(b"?")),
        extended(10, b"copy-data", p.string(b"w"), u64(0), u64(0), p.string(b"h"), u64(0)),
    )  # fmt: skip
    assert [code_of(turn.data) for turn in only(Answer, turns)] == [p.FAILURE] * 8
    assert only(ToTarget, turns) == []


def test_rights_by_handle_are_a_decision() -> None:
    """Mode and owner by FSETSTAT are `sftp.admin` on the file's names; times pass where we write."""
    talk = Talk()
    talk.open(1, b"out", b"w", WRITE_FLAGS)
    times = by_handle(p.FSETSTAT, 2, b"w", u32(p.ATTR_TIMES), u32(1), u32(2))
    assert talk.client(times) == [ToTarget(times)]
    talk.target(ok(2))
    mode = by_handle(p.FSETSTAT, 3, b"w", u32(p.ATTR_MODE), u32(0o4755))
    submit = talk.submitted(mode)
    assert submit.action.facts[0].action == "sftp.admin"
    assert tags_of(submit.action) == {"privilege"}
    assert "/home/deploy/out" in paths_of(submit.action)
    # Behind it, the same handle waits; a close would let its name go to another file.
    assert talk.client(close(4, b"w"), write(5, b"w", 0, b"x")) == []
    assert talk.conversation.backlog > 0
    turns = talk.refuse(submit.key)
    assert only(ToTarget, turns)[0].data == close(4, b"w")


def test_reading_handles_need_a_decision_for_times() -> None:
    """Who was let read was not let change."""
    talk = Talk()
    talk.open(1, b"in", b"h")
    submit = talk.submitted(by_handle(p.FSETSTAT, 2, b"h", u32(p.ATTR_TIMES), u32(1), u32(2)))
    assert submit.action.facts[0].action == "sftp.write"


def test_a_copy_on_the_target_names_both_files() -> None:
    """copy-data reads one handle into another: admin, with the names of both."""
    talk = Talk()
    talk.open(1, b"/etc/shadow", b"r")
    talk.open(2, b"/srv/x", b"w", WRITE_FLAGS)
    packet = extended(3, b"copy-data", p.string(b"r"), u64(0), u64(0), p.string(b"w"), u64(0))
    submit = talk.submitted(packet)
    assert submit.action.facts[0].action == "sftp.admin"
    assert paths_of(submit.action) == {"/etc/shadow", "/srv/x"}
    assert talk.release(submit.key) == [ToTarget(packet)]
    talk.target(ok(3))
    talk.client(close(4, b"w"))
    (settled,) = only(Settled, talk.target(ok(4)))
    assert settled.details["copied"] == 1


def test_our_questions_take_no_id_of_the_client_and_give_theirs_back() -> None:
    """A request under the id of a question of ours waits until that is answered."""
    conversation = SftpConversation()
    conversation.receive_client(INIT)
    conversation.receive_target(version())
    conversation.receive_target(named(PROBES, HOME))
    turns = conversation.receive_client(by_path(p.LSTAT, PROBES + 1, b"x"))
    (probe,) = only(ToTarget, turns)
    number = int.from_bytes(probe.data[5:9], "big")
    assert number == PROBES + 2
    assert conversation.receive_client(by_path(p.LSTAT, number, b"y")) == []
    assert not conversation.idle
    turns = conversation.receive_target(named(number, HOME))
    assert [turn.key for turn in only(Submit, turns)] == [1]
    assert [is_probe(turn.data) for turn in only(ToTarget, turns)] == [True]


@pytest.mark.parametrize(
    "packet",
    [
        p.request(p.OPEN, 1, p.string(b"x")),
        p.request(p.OPEN, 1, p.string(b"x"), u32(1), u32(0), b"more"),
        by_path(p.STAT, 1, b"a\0b"),
        by_path(p.STAT, 1, b"a" * 5000),
        p.request(p.STAT, 1, u32(9), b"x"),
        p.request(p.SETSTAT, 1, p.string(b"x"), u32(0x40)),
        p.request(p.READ, 1, u32(99), b"h"),
        p.request(p.EXTENDED, 1),
    ],
)
def test_a_request_that_does_not_fit_is_answered_and_goes_nowhere(packet: bytes) -> None:
    """Bad message, and the conversation goes on."""
    talk = Talk()
    turns = talk.client(packet)
    assert [code_of(turn.data) for turn in only(Answer, turns)] in ([p.BAD_MESSAGE], [p.FAILURE])
    assert only(ToTarget, turns) == []
    assert talk.submitted(by_path(p.STAT, 1, b"x")).key == 1


@pytest.mark.parametrize("kind", [0, 2, 21, 99, 101, 200, 201, 255])
def test_unknown_types_are_refused_and_noted(kind: int) -> None:
    """What we do not understand is not forwarded."""
    talk = Talk()
    turns = talk.client(p.request(kind, 5, p.string(b"statvfs@openssh.co")))
    assert [code_of(turn.data) for turn in only(Answer, turns)] == [p.OP_UNSUPPORTED]
    assert only(ToTarget, turns) == []


@pytest.mark.parametrize(
    "packet",
    [
        u32(0),
        u32(p.MOST_FROM_CLIENT + 1),
        p.packet(p.STAT, b"abc"),
        by_path(p.STAT, 3, b"x") * 2,
    ],
)
def test_a_client_that_breaks_the_protocol_is_cut_off(packet: bytes) -> None:
    """Lengths and ids that cannot be: nobody could say any more what is answered by what."""
    talk = Talk()
    assert [turn.whose for turn in only(Violation, talk.client(packet))] == ["client"]
    assert talk.client(by_path(p.STAT, 9, b"x")) == []
