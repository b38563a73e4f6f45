"""When the session vector is asked for, and what then counts as known: without a server."""

from __future__ import annotations

import itertools

import pytest
from support.postgres_script import BOUND, CLOSED, IDLE, PARSED, done

from gatekeep.domain.sessions import SessionVector
from gatekeep.messages import WireMessage
from gatekeep.protocols.postgres import messages as m
from gatekeep.protocols.postgres.copy_in import CopyIn
from gatekeep.protocols.postgres.replies import Replies
from gatekeep.protocols.postgres.rereading import Rereading
from gatekeep.protocols.postgres.statements import Names
from gatekeep.protocols.postgres.turns import (
    Execution,
    Onward,
    TargetTurn,
    ToTarget,
    VectorKnown,
    Violation,
)

ROW = m.frame(
    b"D",
    b"\x00\x09"
    + b"".join(
        len(value).to_bytes(4, "big") + value
        for value in (b"on", b"UTF8", b"x", b"none", b"origin", b"on", b"off", b"0", b"[]")
    ),
)
ANSWER = PARSED + BOUND + ROW + done("SELECT 1") + CLOSED * 2


class Story:
    """A rereading with nothing in flight, and a target that says what it is told to."""

    def __init__(self, status: str = "I") -> None:
        names = Names()
        count = itertools.count(1)
        self.replies = Replies(names, CopyIn())
        self.replies.status = status
        self.replies.boundary = False
        self.rereading = Rereading(
            self.replies, names, lambda: f"{next(count):032x}", SessionVector()
        )
        self.rereading.vector = None

    def behind(self, text: str, **marks: int) -> bytes:
        """A part that ends with this statement went out and was answered."""
        execution = Execution("extended", text, 1)
        execution.copies_out = marks.get("copies_out", 0)
        execution.copies_in = marks.get("copies_in", 0)
        return self.rereading.ask_behind(execution)

    def hears(self, data: bytes, tag: str = "") -> list[TargetTurn]:
        """The target's next bytes, and what is done about them."""
        self.replies._settlement.last_tag = tag
        turns = self.replies.receive(data)
        self.rereading.attend(turns, may_ask=True)
        return [turn for turn in turns if isinstance(turn, ToTarget | Onward | VectorKnown | Violation)]


def last(data: bytes) -> bytes:
    """The type of the last message, which has no body."""
    return data[-5:-4]


def test_a_question_in_a_pipeline_ends_in_a_flush_and_holds_for_that_pipeline() -> None:
    """Its answer lets the client go on; at the next ReadyForQuery it is asked again."""
    story = Story()
    assert last(story.behind("set x = 1")) == b"H"
    assert story.rereading.waits
    assert [type(turn) for turn in story.hears(ANSWER)] == [Onward]
    assert story.rereading.vector == SessionVector(search_path="x")
    assert not story.rereading.waits
    story.replies.boundary = True
    (asked,) = story.hears(b"")
    assert isinstance(asked, ToTarget)
    assert last(asked.data) == b"S"
    assert story.rereading.vector is None


@pytest.mark.parametrize("marks", [{"copies_out": 1}, {"copies_in": 1}])
def test_nothing_is_asked_behind_a_copy_before_it_is_answered(marks: dict[str, int]) -> None:
    """A Flush only; the question follows when nothing is in flight any more, without a Sync."""
    story = Story()
    assert story.behind("copy t to stdout", **marks) == m.FLUSH
    assert story.rereading.waits
    (asked,) = story.hears(b"", tag="COPY 5")
    assert isinstance(asked, ToTarget)
    assert last(asked.data) == b"H"


@pytest.mark.parametrize("text", ["commit", " ROLLBACK", "end", "Abort", "prepare  transaction 'x'"])
@pytest.mark.parametrize("status", ["I", "T", "E"])
def test_behind_the_end_of_a_transaction_a_sync_of_ours_commits_nothing(
    text: str, status: str
) -> None:
    """It is known from the target's tag that none is open, also where one had failed."""
    story = Story(status)
    assert story.behind(text) == m.FLUSH
    tag = "PREPARE TRANSACTION" if "prepare" in text else "COMMIT"
    (asked,) = story.hears(b"", tag=tag)
    assert isinstance(asked, ToTarget)
    assert last(asked.data) == b"S"
    assert [type(turn) for turn in story.hears(ANSWER + IDLE)] == [VectorKnown]


@pytest.mark.parametrize("tag", ["COMMIT PREPARED", "SELECT 1", "CALL", ""])
def test_without_that_tag_no_sync_is_sent(tag: str) -> None:
    """The first word of a text is no proof."""
    story = Story("T")
    story.behind("commit")
    (asked,) = story.hears(b"", tag=tag)
    assert isinstance(asked, ToTarget)
    assert last(asked.data) == b"H"


def test_in_a_failed_transaction_nothing_is_asked_and_nobody_waits() -> None:
    """The question would fail, and take the client's own messages with it."""
    story = Story("E")
    assert story.behind("select 1") == m.FLUSH
    assert not story.rereading.waits
    story.behind("rollback")
    assert [type(turn) for turn in story.hears(b"", tag="SELECT 1")] == [Onward]
    assert not story.rereading.waits
    assert story.rereading.vector is None


def test_an_error_to_the_question_is_owed_to_the_client() -> None:
    """And nobody waits any more: the target skips to the client's Sync."""
    story = Story()
    story.behind("set x = 1")
    error = m.error_response(WireMessage("57014", "canceling statement"))
    assert [type(turn) for turn in story.hears(PARSED + error)] == [Onward]
    assert story.rereading.owed_error == error
    assert story.replies.skipping
    assert story.rereading.vector is None


def test_an_answer_of_another_shape_is_the_targets_fault() -> None:
    """Nothing is guessed from it."""
    story = Story()
    story.behind("set x = 1")
    bad = PARSED + BOUND + m.frame(b"D", b"\x00\x00") + done("SELECT 1") + CLOSED * 2
    assert [type(turn) for turn in story.hears(bad)] == [Violation]
