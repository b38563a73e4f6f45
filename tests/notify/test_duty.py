"""Who is on call, by webhook: signed both ways, kept a minute, and no answer means everybody."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import orjson
import pytest
import structlog
from aiohttp import web
from support.clock import MovedClock
from support.hook_catcher import HookCatcher, hook_catcher
from support.polling import until

from gatekeep.errors import SettingsError
from gatekeep.notify.dialling import Caller
from gatekeep.notify.duty import KEPT_S, Duty, DutyEndpoint, DutyNeeds
from gatekeep.notify.signing import SIGNATURE, TIMESTAMP, signature, signed_headers
from gatekeep.runtime.clock import random_bytes

KEY = "a key of more than twenty-four characters"
Said = Callable[[web.Request, bytes], Awaitable[web.StreamResponse]]


@pytest.fixture
async def there() -> AsyncIterator[HookCatcher]:
    """A real endpoint."""
    async with hook_catcher() as made:
        yield made


@pytest.fixture
def clock() -> MovedClock:
    """A clock that the test moves."""
    return MovedClock()


@pytest.fixture
async def duty(clock: MovedClock) -> AsyncIterator[Duty]:
    """Asks often, and leaves a silent endpoint soon."""
    caller = Caller(limit_s=0.3)
    needs = DutyNeeds(caller, clock, clock.wall_us, random_bytes, every_s=0.005, again_s=0.005)
    made = Duty(needs)
    yield made
    await made.close()
    await caller.close()


def saying(
    clock: MovedClock, persons: object, *, key: str = KEY, at_us: int | None = None, **more: object
) -> Said:
    """An endpoint that answers with these persons."""

    async def answer(_request: web.Request, body: bytes) -> web.StreamResponse:
        told = {"delivery": orjson.loads(body)["delivery"], "persons": persons, **more}
        raw = orjson.dumps(told)
        headers = signed_headers(key, clock.wall_us() if at_us is None else at_us, raw)
        return web.Response(body=raw, headers=headers)

    return answer


def endpoints(there: HookCatcher) -> dict[str, DutyEndpoint]:
    """The endpoint answers for one group."""
    return {"dba": DutyEndpoint(there.url, lambda: KEY)}


async def test_an_answer_is_at_hand_when_it_is_needed(
    duty: Duty, there: HookCatcher, clock: MovedClock
) -> None:
    """Asked ahead of need, by a signed question that names the group."""
    there.answer = saying(clock, ["bob", "carol"], until_us=5)
    assert duty.now("dba") is None
    duty.reload(endpoints(there))
    await until(lambda: duty.now("dba") == {"bob", "carol"}, "an answer")
    call = there.calls[0]
    assert (call.told["group"], call.told["kind"], call.told["version"]) == ("dba", "on_call", 1)
    assert call.headers[SIGNATURE] == signature(KEY, call.headers[TIMESTAMP], call.body)
    assert duty.now("sre") is None


async def test_an_answer_counts_for_a_minute(
    duty: Duty, there: HookCatcher, clock: MovedClock
) -> None:
    """Then, when nobody says it anew, everybody is asked again."""
    there.answer = saying(clock, ["bob"])
    duty.reload(endpoints(there))
    await until(lambda: duty.now("dba"), "an answer")
    there.answer, there.statuses = None, [500] * 1_000_000
    seen = len(there.calls)
    await until(lambda: len(there.calls) > seen + 1, "it fails from now on")
    asked_before = duty._kept["dba"].until_ns - clock.monotonic
    assert asked_before <= KEPT_S * 1e9
    clock.pass_s(KEPT_S - 1)
    assert duty.now("dba") == {"bob"}
    clock.pass_s(1)
    assert duty.now("dba") is None


@pytest.mark.parametrize(
    "answer",
    ["other key", "unsigned", "old", "another question", "no list", "no json", "too many", "error",
     "redirect", "silent", "our own question"],
)  # fmt: skip
async def test_what_does_not_count_is_no_answer(
    duty: Duty, there: HookCatcher, clock: MovedClock, answer: str
) -> None:
    """Nobody in between, and no old answer, says who is on call; diagnostics say that once."""

    async def plain(request: web.Request, body: bytes) -> web.StreamResponse:
        return web.Response(**_answers(request, body)[answer])

    def _answers(request: web.Request, body: bytes) -> dict[str, dict[str, Any]]:
        asked = {"delivery": orjson.loads(body)["delivery"], "persons": ["mallory"]}
        other = orjson.dumps({**asked, "delivery": "d"})
        no_json = b"mallory"
        return {
            "unsigned": {"body": orjson.dumps(asked)},
            "another question": {"body": other, "headers": signed_headers(KEY, clock.wall, other)},
            "no json": {"body": no_json, "headers": signed_headers(KEY, clock.wall, no_json)},
            "error": {"status": 500},
            "redirect": {"status": 302, "headers": {"Location": there.url}},
            "our own question": {
                "body": body,
                "headers": {name: request.headers[name] for name in (TIMESTAMP, SIGNATURE)},
            },
        }

    said = {
        "other key": saying(clock, ["mallory"], key=KEY + "!"),
        "old": saying(clock, ["mallory"], at_us=clock.wall - 301_000_000),
        "no list": saying(clock, "mallory"),
        "too many": saying(clock, ["mallory"] * 101),
    }
    there.answer = said.get(answer, plain)
    there.silent = answer == "silent"
    with structlog.testing.capture_logs() as logs:
        duty.reload(endpoints(there))
        await until(lambda: len(there.calls) >= 3, "three questions")
    assert duty.now("dba") is None
    told = [log for log in logs if log["event"] == "nobody says who is on call"]
    assert (len(told), told[0]["group"]) == (1, "dba")
    assert "mallory" not in repr(logs)


async def test_a_secret_that_cannot_be_read_asks_nothing(
    duty: Duty, there: HookCatcher, clock: MovedClock
) -> None:
    """And asks as soon as it can be."""
    there.answer = saying(clock, ["bob"])
    broken = [SettingsError("cannot be read")] * 3

    def secret() -> str:
        if broken:
            raise broken.pop()
        return KEY

    duty.reload({"dba": DutyEndpoint(there.url, secret)})
    await until(lambda: duty.now("dba"), "an answer")
    assert broken == []


async def test_a_reload_forgets_what_others_have_said(
    duty: Duty, there: HookCatcher, clock: MovedClock
) -> None:
    """Who is not asked any more has no say."""
    there.answer = saying(clock, ["bob"])
    duty.reload(endpoints(there))
    await until(lambda: duty.now("dba"), "an answer")
    duty.reload({})
    assert duty.now("dba") is None
    duty.reload({"sre": DutyEndpoint(there.url, lambda: KEY)})
    await until(lambda: duty.now("sre"), "an answer of the other group")
    assert duty.now("dba") is None
