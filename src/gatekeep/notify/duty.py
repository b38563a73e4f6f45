"""Asks webhooks who is on call: signed both ways, kept for a minute, never waited for by anybody.

An answer says whom to tell first and nothing else; without one everybody of the group is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Final

import aiohttp
import orjson
import structlog
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from gatekeep.errors import SettingsError
from gatekeep.notify.dialling import Caller, fault_of
from gatekeep.notify.signing import SignatureCheck, signed_headers
from gatekeep.runtime.clock import Clock
from gatekeep.runtime.tasks import TaskOwner

LIMIT_S: Final = 2.0
"""How long one question may take, in seconds."""
KEPT_S: Final = 60.0
"""How long an answer counts, in seconds."""
_ID_BYTES: Final = 16
_NS: Final = 1_000_000_000

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DutyEndpoint:
    """Whom to ask for a group. `secret` reads the key of signatures anew; it may raise SettingsError."""

    url: str
    secret: Callable[[], str]


class _Answer(BaseModel):
    """What comes back: persons by name, and the id of the question, so that no old one counts."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    delivery: Annotated[str, StringConstraints(strict=True)]
    persons: Annotated[
        tuple[Annotated[str, StringConstraints(strict=True, max_length=63)], ...],
        Field(max_length=100),
    ]


@dataclass(frozen=True, slots=True)
class _Kept:
    persons: frozenset[str]
    until_ns: int


@dataclass(frozen=True, slots=True)
class DutyNeeds:
    """What it works with. `every_s` lies between two questions, `again_s` behind a failed one."""

    caller: Caller
    clock: Clock
    now_us: Callable[[], int]
    draw: Callable[[int], bytes]
    every_s: float = 45.0
    again_s: float = 10.0


class Duty:
    """Asks for each group again and again, so that an answer is at hand when it is needed."""

    def __init__(self, needs: DutyNeeds) -> None:
        self._needs = needs
        self._owner = TaskOwner("on call")
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._endpoints: dict[str, DutyEndpoint] = {}
        self._kept: dict[str, _Kept] = {}

    def reload(self, endpoints: Mapping[str, DutyEndpoint]) -> None:
        """From now on ask these, by group; what others have said is forgotten."""
        for group, task in self._asking.items():
            task.cancel()
            self._kept.pop(group, None)
        self._endpoints = dict(endpoints)
        self._asking = {
            group: self._owner.spawn(self._ask_on(group, one), name=group)
            for group, one in endpoints.items()
        }

    def now(self, group: str) -> frozenset[str] | None:
        """The persons on call as last told; None where nobody said so within a minute."""
        kept = self._kept.get(group)
        if kept is None or self._needs.clock.monotonic_ns() >= kept.until_ns:
            return None
        return kept.persons

    async def close(self) -> None:
        """Ask no more."""
        await self._owner.close()

    async def _ask_on(self, group: str, endpoint: DutyEndpoint) -> None:
        failed = ""
        while True:
            # Its minute counts from the question: the answer may be that old when it comes.
            asked_ns = self._needs.clock.monotonic_ns()
            try:
                persons = await self._ask(group, endpoint)
            except (OSError, TimeoutError, aiohttp.ClientError, SettingsError, ValueError) as error:
                why = str(error) if isinstance(error, _NoAnswer) else _words(error)
                if why != failed:
                    _log.warning("nobody says who is on call", group=group, why=why)
                failed = why
                await asyncio.sleep(self._needs.again_s)
            else:
                failed = ""
                self._kept[group] = _Kept(persons, asked_ns + int(KEPT_S * _NS))
                await asyncio.sleep(self._needs.every_s)

    async def _ask(self, group: str, endpoint: DutyEndpoint) -> frozenset[str]:
        """Raises what the call does, SettingsError, or _NoAnswer for one that does not count."""
        needs = self._needs
        delivery, secret = needs.draw(_ID_BYTES).hex(), endpoint.secret()
        question = {"at_us": needs.now_us(), "delivery": delivery, "group": group, "version": 1}
        body = orjson.dumps({**question, "kind": "on_call"}, option=orjson.OPT_SORT_KEYS)
        headers = signed_headers(secret, needs.clock.wall_us(), body, delivery)
        answered = await needs.caller.post(endpoint.url, body, headers, read=True)
        if not answered.good:
            raise _NoAnswer(f"answered {answered.status}")
        check = SignatureCheck(needs.now_us)
        objection = check.objection(answered.headers or {}, answered.body, secret)
        if objection:
            raise _NoAnswer("its answer is not signed as it must be")
        try:
            answer = _Answer.model_validate_json(answered.body)
        except ValidationError:
            raise _NoAnswer("its answer cannot be read") from None
        if answer.delivery != delivery:
            raise _NoAnswer("it answers another question")
        return frozenset(answer.persons)


class _NoAnswer(ValueError):  # noqa: N818 - says what happened
    """What came back does not count."""


def _words(error: BaseException) -> str:
    return "its secret cannot be read" if isinstance(error, SettingsError) else fault_of(error)
