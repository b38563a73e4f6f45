"""The line: what waits for what, and what may overtake."""

from __future__ import annotations

import posixpath

from support.sftp_talk import (
    HOME,
    Talk,
    by_handle,
    by_path,
    close,
    code_of,
    extended,
    handle,
    ok,
    only,
    open_,
    packets,
    paths_of,
    tags_of,
    u32,
    u64,
    write,
)

from gatekeep.protocols.ssh.files import sftp_packets as p
from gatekeep.protocols.ssh.files.file_turns import (
    Answer,
    Submit,
    ToTarget,
)

WRITE_FLAGS = p.FLAG_WRITE | p.FLAG_CREATE | p.FLAG_TRUNCATE


def test_a_link_made_in_the_same_pipeline_is_seen_through() -> None:
    """Names are asked for only after all that may change them was answered."""
    links: dict[bytes, bytes] = {}
    talk = Talk(lambda path: links.get(path, posixpath.normpath(posixpath.join(HOME, path))))
    first = talk.submitted(
        by_path(p.SYMLINK, 1, b"/etc", b"/srv/l"), open_(2, b"/srv/l/cron.d/x", WRITE_FLAGS)
    )
    assert only(Submit, talk.release(first.key)) == []
    links |= {b"/srv/l/cron.d": b"/etc/cron.d", b"/srv/l/cron.d/x": b"/etc/cron.d/x"}
    (second,) = only(Submit, talk.target(ok(1)))
    assert "/etc/cron.d/x" in paths_of(second.action)
    assert "persistence" in tags_of(second.action)


def test_looks_go_together_and_changes_alone() -> None:
    """Two stats are judged at once; a removal waits for both answers, and holds what comes behind."""
    talk = Talk()
    turns = talk.client(
        by_path(p.STAT, 1, b"a"), by_path(p.LSTAT, 2, b"b"), by_path(p.REMOVE, 3, b"a"),
        by_path(p.STAT, 4, b"a"),
    )  # fmt: skip
    first, second = only(Submit, turns)
    talk.release(second.key)
    talk.release(first.key)
    attributes = p.request(p.ATTRS, 2, u32(0))
    assert only(Submit, talk.target(attributes)) == []
    (removal,) = only(Submit, talk.target(p.status(1, p.NO_SUCH_FILE, "none")))
    assert removal.action.text == "a"
    assert only(Submit, talk.release(removal.key)) == []
    (last,) = only(Submit, talk.target(ok(3)))
    talk.release(last.key)
    order = [int.from_bytes(packet[5:9], "big") for packet in packets(bytes(talk.sent))[1:]]
    assert order == [2, 1, 3, 4]


def test_nothing_that_waited_goes_out_by_a_handle_that_is_gone() -> None:
    """The target may give its name to the next file, which was decided for another use."""
    talk = Talk()
    talk.open(1, b"out", b"w", WRITE_FLAGS)
    submit = talk.submitted(by_handle(p.FSETSTAT, 2, b"w", u32(p.ATTR_MODE), u32(0o600)))
    late = (
        write(5, b"w", 0, b"x"), close(6, b"w"), by_handle(p.FSETSTAT, 7, b"w", u32(4), u32(0o777)),
        extended(8, b"copy-data", p.string(b"w"), u64(0), u64(0), p.string(b"w"), u64(0)),
    )  # fmt: skip
    assert talk.client(close(3, b"w"), open_(4, b"/etc/x"), *late[:3]) == []
    talk.release(submit.key)
    turns = talk.target(ok(2))
    assert only(ToTarget, turns) == [ToTarget(close(3, b"w"))]
    (other,) = only(Submit, turns)
    turns += talk.release(other.key)
    turns += talk.target(ok(3), handle(4, b"w"))
    answers = only(Answer, turns)
    assert [int.from_bytes(turn.data[5:9], "big") for turn in answers] == [5, 6, 7]
    assert [code_of(turn.data) for turn in answers] == [p.FAILURE] * 3
    assert talk.conversation.idle
    assert talk.conversation.backlog == 0


def test_data_overtakes_what_waits_but_not_its_own_truncation() -> None:
    """While a person decides on one file, another goes on; the same file keeps its order."""
    talk = Talk()
    talk.open(1, b"a", b"h", WRITE_FLAGS)
    submit = talk.submitted(by_path(p.RMDIR, 2, b"elsewhere"))
    assert talk.client(write(3, b"h", 0, b"x")) == [ToTarget(write(3, b"h", 0, b"x"))]
    talk.target(ok(3))
    talk.refuse(submit.key)
    cut = p.request(p.SETSTAT, 4, p.string(b"/home/deploy/a"), u32(p.ATTR_SIZE), u64(0))
    submit = talk.submitted(cut)
    assert talk.client(write(5, b"h", 1, b"y")) == []
    assert only(ToTarget, talk.release(submit.key)) == [ToTarget(cut)]
    assert only(ToTarget, talk.target(ok(4))) == [ToTarget(write(5, b"h", 1, b"y"))]
