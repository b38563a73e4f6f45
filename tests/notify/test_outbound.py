"""What goes out: tried again, bounded, never dropped silently, and nobody waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import structlog
from support.clock import MovedClock
from support.polling import until

from gatekeep.notify.outbound import SENT, Outbound, Pace, Send, Tried, life_s
from gatekeep.runtime.clock import SystemClock
from gatekeep.runtime.tasks import TaskOwner

SOON = Pace(first_s=0.001, longest_s=0.004)
DOWN = Tried("down", again=True)


@dataclass
class Place:
    """Takes pieces; answers as told, with `SENT` when nothing is left."""

    answers: list[Tried] = field(default_factory=list)
    tries: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    down: bool = False

    def send(self, what: str) -> Send:
        """One piece."""

        async def sent() -> Tried:
            self.tries.append(what)
            answer = DOWN if self.down else self.answers.pop(0) if self.answers else SENT
            if not answer.fault:
                self.taken.append(what)
            return answer

        return sent


@pytest.fixture
async def owner() -> AsyncIterator[TaskOwner]:
    """Ends what a test leaves."""
    made = TaskOwner("test", on_failure=lambda name, error: pytest.fail(f"{name}: {error!r}"))
    yield made
    await made.close()


async def test_pieces_go_out_in_order(owner: TaskOwner) -> None:
    """And `put` returns before anything is sent."""
    place, lane = Place(), Outbound("there", owner, SystemClock(), SOON)
    for number in range(5):
        lane.put(f"{number}", place.send(f"{number}"), lasts_s=5)
    assert place.tries == []
    await until(lambda: lane.sent == 5, "all went out")
    assert place.taken == ["0", "1", "2", "3", "4"]
    assert len(lane) == 0


async def test_what_failed_is_tried_again_and_holds_up_nothing(owner: TaskOwner) -> None:
    """A piece that the other side will not have is no cork."""
    place, lane = Place([DOWN, DOWN]), Outbound("there", owner, SystemClock(), SOON)
    lane.put("first", place.send("first"), lasts_s=5)
    await until(lambda: place.tries, "it was tried")
    lane.put("second", place.send("second"), lasts_s=5)
    await until(lambda: lane.sent == 2, "both went out")
    assert sorted(place.taken) == ["first", "second"]
    assert place.tries.count("first") + place.tries.count("second") == 4


async def test_a_fault_for_good_is_not_tried_again(owner: TaskOwner) -> None:
    """It is counted, and told in diagnostics with what it was."""
    place, lane = Place([Tried("no such address")]), Outbound("there", owner, SystemClock(), SOON)
    with structlog.testing.capture_logs() as logs:
        lane.put("decided K3F9", place.send("it"), lasts_s=5)
        await until(lambda: lane.given_up == 1, "it was given up")
    assert place.tries == ["it"]
    (log,) = logs
    assert (log["log_level"], log["what"], log["why"], log["to"]) == (
        "error", "decided K3F9", "no such address", "there",
    )  # fmt: skip


async def test_an_error_of_ours_is_one_more_failed_try(owner: TaskOwner) -> None:
    """The text of the error, which may hold anything, is not told."""
    lane, calls = Outbound("there", owner, SystemClock(), SOON), []

    async def send() -> Tried:
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("the secret is hunter2")
        return SENT

    with structlog.testing.capture_logs() as logs:
        lane.put("it", send, lasts_s=5)
        await until(lambda: lane.sent == 1, "it went out")
    assert "hunter2" not in repr(logs)
    assert logs[0]["why"] == "RuntimeError"


async def test_what_is_too_old_is_given_up(owner: TaskOwner) -> None:
    """No longer than it is worth; and the pauses double up to their limit."""
    clock = MovedClock()
    pauses: list[float] = []
    place, lane = Place(down=True), Outbound("there", owner, clock, Pace(first_s=4, longest_s=60))

    async def send() -> Tried:
        pauses.append(clock.monotonic / 1e9)
        clock.pass_s(70)  # whoever waits finds that its time has come
        return await place.send("it")()

    lane.put("it", send, lasts_s=300)
    for _ in range(20):
        if lane.given_up:
            break
        clock.pass_s(70)
        lane._news.set()
        tried = len(pauses)
        await until(lambda seen=tried: len(pauses) > seen or lane.given_up, "another try")  # type: ignore[misc]  # mypy does not infer defaults
    assert lane.given_up == 1
    assert pauses[-1] < 300 + 140
    assert [lane._pause_s(piece, DOWN) for piece in _pieces(7)] == [4, 8, 16, 32, 60, 60, 60]
    assert lane._pause_s(_pieces(1)[0], Tried("busy", again=True, wait_s=99)) == 99


def _pieces(count: int) -> list:  # type: ignore[type-arg]  # the module's own record
    from gatekeep.notify.outbound import _Piece  # noqa: PLC0415 - only here

    return [_Piece("it", Place().send("it"), 0, 0, failures=number) for number in range(count)]


async def test_the_oldest_makes_room_and_that_is_told(owner: TaskOwner) -> None:
    """Bounded, and nothing is lost silently."""
    place = Place(down=True)
    lane = Outbound("there", owner, SystemClock(), Pace(first_s=60, most=3))
    with structlog.testing.capture_logs() as logs:
        for number in range(5):
            lane.put(f"piece {number}", place.send(f"{number}"), lasts_s=100)
    assert (len(lane), lane.dropped) == (3, 2)
    told = [log["dropped"] for log in logs if "dropped" in log]
    assert told == ["piece 0", "piece 1"]


async def test_one_that_is_dropped_while_it_is_sent_is_not_counted_twice(owner: TaskOwner) -> None:
    """Each piece has one end."""
    lane = Outbound("there", owner, SystemClock(), Pace(most=1))
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow() -> Tried:
        begun.set()
        await go.wait()
        return SENT

    lane.put("slow", slow, lasts_s=5)
    await begun.wait()
    lane.put("next", Place().send("next"), lasts_s=5)
    go.set()
    await until(lambda: not len(lane), "all is over")
    assert (lane.sent, lane.dropped, lane.given_up) == (1, 1, 0)


async def test_last_words_are_waited_for_only_as_long_as_somebody_may_hear_them(
    owner: TaskOwner,
) -> None:
    """What was tried and failed does not keep the gateway from ending."""
    place = Place(down=True)
    lane = Outbound("there", owner, SystemClock(), Pace(first_s=60))
    lane.put("it", place.send("it"), lasts_s=100)
    await lane.flushed(20)
    assert place.tries == ["it"]
    never = asyncio.Event()

    async def hangs() -> Tried:
        await never.wait()
        return SENT

    lane.put("hangs", hangs, lasts_s=100)
    await lane.flushed(0.01)


async def test_a_pause_lies_between_two_tries(owner: TaskOwner) -> None:
    """Where a place wants it."""
    place, lane = Place(), Outbound("there", owner, SystemClock(), Pace(gap_s=0.05))
    loop = asyncio.get_running_loop()
    begun = loop.time()
    for number in range(3):
        lane.put(f"{number}", place.send(f"{number}"), lasts_s=5)
    await until(lambda: lane.sent == 3, "all went out")
    assert loop.time() - begun >= 0.1


def test_a_request_is_told_of_for_an_hour_beyond_its_life() -> None:
    """Then nobody wants to know."""
    assert life_s(5_000_000, 2_000_000) == 3603
    assert life_s(2_000_000, 5_000_000) == 3600
