"""What waits to be said: in order, one a second in a channel, tried again, bounded, in nobody's way."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator

import pytest_asyncio
from support.slack_world import until

from gatekeep.notify import slack_queue
from gatekeep.notify.slack_api import Answer
from gatekeep.notify.slack_queue import SlackQueue
from gatekeep.runtime.clock import SystemClock
from gatekeep.runtime.tasks import TaskOwner

PACE_S = 0.05


class Said:
    """Keeps what was said and when; answers as it is told."""

    def __init__(self) -> None:
        self.said: list[tuple[str, float]] = []
        self.answers: list[Answer | None] = []

    def send(self, what: str) -> slack_queue.Send:
        """A piece."""

        async def say() -> Answer | None:
            self.said.append((what, time.monotonic()))
            return self.answers.pop(0) if self.answers else Answer()

        return say

    @property
    def words(self) -> list[str]:
        """What was said, in order."""
        return [what for what, _at in self.said]


@pytest_asyncio.fixture
async def owner() -> AsyncIterator[TaskOwner]:
    """Ends what is left."""
    made = TaskOwner("test")
    yield made
    await made.close()


async def test_a_channel_gets_one_message_in_its_time(owner: TaskOwner) -> None:
    """In order; another channel does not wait for it."""
    queue, said = SlackQueue(owner, SystemClock(), pace_s=PACE_S), Said()
    for number in range(4):
        queue.put("C1", str(number), said.send(str(number)))
    queue.put("C2", "other", said.send("other"))
    await until(lambda: len(said.said) == 5, "all is said")
    times = [at for what, at in said.said if what != "other"]
    assert [what for what in said.words if what != "other"] == ["0", "1", "2", "3"]
    assert all(later - earlier >= PACE_S * 0.99 for earlier, later in itertools.pairwise(times))
    assert said.words.index("other") <= 1


async def test_the_newer_takes_the_place_of_what_still_waits(owner: TaskOwner) -> None:
    """What was true a moment ago is not said any more."""
    queue, said = SlackQueue(owner, SystemClock(), pace_s=PACE_S), Said()
    queue.put("C1", "first", said.send("first"))
    for number in range(10):
        queue.put("C1", "card", said.send(f"card {number}"))
    queue.put("C1", "last", said.send("last"))
    await queue.said(5)
    assert said.words == ["first", "card 9", "last"]


async def test_what_slack_asks_to_wait_is_waited(owner: TaskOwner) -> None:
    """Then the same is said again, before what came later."""
    queue, said = SlackQueue(owner, SystemClock(), pace_s=0.001), Said()
    said.answers = [Answer(error="ratelimited", again_s=0.3)]
    queue.put("C1", "a", said.send("a"))
    queue.put("C1", "b", said.send("b"))
    await queue.said(5)
    assert said.words == ["a", "a", "b"]
    assert said.said[1][1] - said.said[0][1] >= 0.29


async def test_faults_that_pass_are_tried_again_each_time_later(owner: TaskOwner) -> None:
    """Twice as long as before."""
    queue, said = SlackQueue(owner, SystemClock(), pace_s=0.01), Said()
    said.answers = [Answer(error="ClientConnectorError", again_s=0.0)] * 4
    queue.put("C1", "a", said.send("a"))
    await queue.said(5)
    gaps = [later[1] - earlier[1] for earlier, later in itertools.pairwise(said.said)]
    assert [gap >= wanted for gap, wanted in zip(gaps, (0.0199, 0.0399, 0.0799, 0.159), strict=True)] == [True] * 4


async def test_what_never_will_succeed_is_given_up(owner: TaskOwner) -> None:
    """The next one's turn comes, and it is counted."""
    queue, said = SlackQueue(owner, SystemClock(), pace_s=0.001), Said()
    said.answers = [Answer(error="channel_not_found"), None]
    queue.put("C1", "a", said.send("a"))
    queue.put("C1", "b", said.send("b"))
    queue.put("C1", "c", said.send("c"))
    await queue.said(5)
    assert (said.words, queue.dropped, len(queue)) == (["a", "b", "c"], 1, 0)


async def test_a_fault_of_ours_keeps_nobody_else_waiting(owner: TaskOwner) -> None:
    """It is counted as not said."""
    queue, said = SlackQueue(owner, SystemClock(), pace_s=0.001), Said()

    async def broken() -> Answer:
        raise RuntimeError("ours")

    queue.put("C1", "a", broken)
    queue.put("C1", "b", said.send("b"))
    await queue.said(5)
    assert (said.words, queue.dropped) == (["b"], 1)


async def test_it_never_grows_without_end(owner: TaskOwner) -> None:
    """What finds no room is told so at once; what has its place is brought up to date all the same."""
    queue, said = SlackQueue(owner, SystemClock(), pace_s=60.0), Said()
    queue.put("C1", "now", said.send("now"))
    await until(lambda: said.words == ["now"], "the first is said")
    for number in range(slack_queue.MOST_WAITING):
        assert queue.put("C1", str(number), said.send("x"))
    assert not queue.put("C1", "one more", said.send("x"))
    assert not queue.put("C2", "one more", said.send("x"))
    assert queue.put("C1", "7", said.send("newer"))
    assert (len(queue), queue.dropped) == (slack_queue.MOST_WAITING, 2)


async def test_what_is_replaced_while_it_is_said_is_said_anew(owner: TaskOwner) -> None:
    """The newer one is not taken for the one that is under way."""
    queue, said = SlackQueue(owner, SystemClock(), pace_s=0.001), Said()
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> Answer:
        begun.set()
        await go_on.wait()
        return Answer()

    queue.put("C1", "card", slow)
    await begun.wait()
    queue.put("C1", "card", said.send("newer"))
    go_on.set()
    await queue.said(5)
    assert said.words == ["newer"]
