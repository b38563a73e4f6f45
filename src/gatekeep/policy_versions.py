"""Puts versions of the policy into force: compare, two people, store → journal → effect.

Part of the composition root. Every way in (start, SIGHUP, `reload`, `policy apply`) goes through
`settle`, and each leaves an event:

    files have the active digest    → nothing to do
    a case fails                    → SettingsError; the version before stays
    nothing was ever active         → activated (policy.activated)
    every change is proven stricter → activated (policy.activated)
    may loosen, single_person       → activated (policy.activated, which says so)
    may loosen, two people needed   → held (policy.held); the version before stays

Accepted suggestions come in by `adopt`: it changes the adopted layer alone, and who accepted them
are the people that a loosening needs.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import structlog

from gatekeep.cli.policy_directory import (
    action_of,
    all_cases,
    demand_cases,
    facts_of,
)
from gatekeep.errors import JournalUnavailable, SettingsError
from gatekeep.gate.policy_desk import PolicyDeskOver
from gatekeep.gate.policy_ports import PolicyRecord, PolicyWish
from gatekeep.gate.ports import Journal, OutboxRow
from gatekeep.identity.directory import os_user_name
from gatekeep.loop_layer import (
    Dropped,
    fitted,
    read_layer,
    write_layer,
)
from gatekeep.loop_layer_text import only_less, with_layer
from gatekeep.policy.comparison import Comparison, compare
from gatekeep.policy.loading import load
from gatekeep.policy.rules import PolicyVersion
from gatekeep.runtime.offload import Offload
from gatekeep.runtime.tasks import TaskOwner
from gatekeep.settings import Settings
from gatekeep.stores.sqlite.state import StateStore

_log = structlog.get_logger(__name__)

_GRACE_S: Final = 10.0

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Settled:
    """Which version rules now, and what came of the wish. `held` says why nothing changed."""

    version: PolicyVersion
    summary: Mapping[str, Any]
    held: tuple[str, ...] = ()


def own_wish(via: str) -> PolicyWish:
    """The wish of the gateway itself at `start`, or when its process got a `signal`."""
    return PolicyWish(by=via, via=via, os_user=os_user_name(os.getuid()) or "")


@dataclass(frozen=True, slots=True)
class Adoption:
    """A change of the adopted layer: its text, whose doing it is, and what changed in it.

    `layer` gives the whole text, from the texts that rule. `by` is a principal, empty where the loop takes something back by itself; `accepted_by` are the
    principals who accepted what came in, `suggestions` the ids of what came in or went.
    """

    layer: Callable[[Mapping[str, str]], str]
    by: str
    reason: str
    accepted_by: tuple[str, ...] = ()
    suggestions: tuple[str, ...] = ()


async def _nobody(_dropped: Sequence[Dropped]) -> None:
    return None


class PolicyVersions:
    """The versions in the state, and the one way into force. Implements gate.ports.PolicyBook.

    Whoever calls `settle` holds `loading` until the version rules.
    """

    def __init__(
        self,
        settings: Settings,
        state: StateStore,
        journal: Journal,
        offload: Offload,
        desk: PolicyDeskOver,
    ) -> None:
        self._settings = settings.policy
        self._state_dir = settings.state_dir
        self._state = state
        self._journal = journal
        self._offload = offload
        self._desk = desk
        self._owner = TaskOwner("policy")
        self.loading = asyncio.Lock()
        self.layer: Callable[[Mapping[str, str]], str | None] = lambda _running: None
        self.on_dropped: Callable[[Sequence[Dropped]], Awaitable[None]] = _nobody

    @property
    def single_person(self) -> bool:
        """Whether one person alone may loosen the policy."""
        return self._settings.single_person

    async def apply(self, wish: PolicyWish) -> Mapping[str, Any]:
        """Load the files and put them into force, or hold them back; see the port."""
        return await self.whole(self._apply(wish))

    async def whole(self, loading: Coroutine[Any, Any, Result]) -> Result:
        """Bring a loading to its end also when nobody waits any more: half of one is none.

        Its exceptions pass through.
        """
        task = self._owner.spawn(_outcome(loading), name="loading")
        result, error = await asyncio.shield(task)
        if error is not None:
            raise error
        return cast("Result", result)

    async def _apply(self, wish: PolicyWish) -> Mapping[str, Any]:
        async with self.loading:
            found = await self._offload.run(partial(fitted, self._settings.dir, self.adopted_layer()))
            files = found.version
            before = self._desk.active
            settled = await self.settle(files, before, wish)
            self._desk.activate(settled.version)
        await self.note_dropped(found.dropped, settled)
        return {
            "policy": settled.version.digest,
            "before": before.digest,
            "files": files.digest,
            "held": list(settled.held),
            **settled.summary,
        }

    def adopted_layer(self) -> str:
        """What the adopted layer must be beside the files; before there is a loop, its file."""
        record = self._state.active_policy()
        layer = self.layer(record.texts if record is not None else {})
        return read_layer(self._state_dir) if layer is None else layer

    async def note_dropped(self, dropped: Sequence[Dropped], settled: Settled) -> None:
        """Tell whose rules had to be left out of what rules now; `loading` is not held."""
        if dropped and not settled.held:
            await self.on_dropped(dropped)

    async def adopt(self, adoption: Adoption) -> PolicyVersion:
        """Put the version that rules into force with another layer; the files do not change.

        Its event is durable, and the file is written, before it rules. Raises SettingsError where
        the layer does not fit, JournalUnavailable; then nothing changed.
        """
        return await self.whole(self._adopt(adoption))

    async def _adopt(self, adoption: Adoption) -> PolicyVersion:
        async with self.loading:
            before = self._desk.active
            version = await self._adopted(adoption, before)
            if version is not before:
                self._desk.activate(version)
        return version

    async def recovered(self, adoption: Adoption) -> None:
        """At a start: what was adopted or taken back, and not yet activated, is so from now on."""
        record = self._state.active_policy()
        if record is None:
            return
        try:
            before = _loaded(record)
            await self._adopted(adoption, before)
        except SettingsError as error:
            _log.warning("the adopted rules do not fit the version before", error=error.public)

    async def _adopted(self, adoption: Adoption, before: PolicyVersion) -> PolicyVersion:
        layer = adoption.layer(before.texts)
        texts = with_layer(before.texts, layer)
        if texts == dict(before.texts):
            await self._offload.run(partial(write_layer, self._state_dir, layer))
            return before
        directory = self._settings.dir
        version = await self._offload.run(partial(load, texts))
        found: Comparison | None = None
        try:
            found = await self._offload.run(partial(_examined, version, before, directory))
        except SettingsError:
            if not only_less(layer, before.texts):
                raise  # cases are for what comes in; what goes out goes, whatever stands in the files
        facts = {
            "by": adoption.by or "suggestion",
            "via": "suggestion",
            "os_user": "",
            "reason": adoption.reason,
            "rules": len(version.rules),
            "before": before.digest,
            "single_person": self._settings.single_person,
            "accepted_by": list(adoption.accepted_by),
            "suggestions": list(adoption.suggestions),
            **({"principal": adoption.by} if adoption.by else {}),
            **(found.summary() if found is not None else {}),
        }
        await self._offload.run(partial(write_layer, self._state_dir, layer))
        await self._tell(self._state.activate_policy(version.digest, version.texts, facts))
        return version

    async def close(self) -> None:
        """Let a loading that runs come to its end."""
        await self._owner.close(grace=_GRACE_S)

    def last(self, files: PolicyVersion) -> PolicyVersion | None:
        """The version that ruled before this start; None when there never was one.

        Where it no longer loads (a newer gatekeep knows other facts), nothing can be compared:
        None if one person may loosen alone, else SettingsError, because it cannot rule either.
        """
        record = self._state.active_policy()
        if record is None:
            return None
        if record.digest == files.digest:
            return files
        try:
            return _loaded(record)
        except SettingsError as error:
            if self._settings.single_person:
                return None
            raise SettingsError(
                f"the active version {record.digest[:12]} no longer loads, so that nobody can "
                f"tell whether the files loosen it ({error})",
                key="policy.single_person",
                fix="restore the files of that version, or let one person decide: true",
            ) from error

    async def settle(
        self, files: PolicyVersion, running: PolicyVersion | None, wish: PolicyWish
    ) -> Settled:
        """Put `files` into force in place of `running`, or hold them back.

        Returns once the event is durable; to make the version rule is the caller's next step.
        Raises SettingsError for a case that fails, JournalUnavailable when nothing can be
        recorded; then nothing changed.
        """
        known = self._state.active_policy()
        if known is not None and known.digest == files.digest:
            return Settled(files, {})
        directory = self._settings.dir
        found = await self._offload.run(partial(_examined, files, running, directory))
        summary = found.summary() if found is not None else {}
        loosens = found.loosenings if found is not None else ()
        facts = {
            "by": wish.by,
            "via": wish.via,
            "os_user": wish.os_user,
            "reason": wish.reason,
            "rules": len(files.rules),
            "before": known.digest if known is not None else "",
            "single_person": self._settings.single_person,
            **({"principal": wish.by} if wish.by != wish.via else {}),
            **({"decision": dict(wish.decision)} if wish.decision else {}),
            **summary,
        }
        if loosens and running is not None and not self._settings.single_person:
            await self._hold(files, wish, facts)
            return Settled(running, summary, loosens)
        await self._tell(self._state.activate_policy(files.digest, files.texts, facts))
        if loosens:
            _log.warning("one person loosened the policy", policy=files.name, by=wish.by)
        return Settled(files, summary)

    def history(self, limit: int) -> Sequence[PolicyRecord]:
        """What was put into force or held back, newest first."""
        return self._state.policy_history(limit)

    def named(self, prefix: str) -> Sequence[PolicyRecord]:
        """Everything recorded of versions whose digest begins so; `active` is the one that rules."""
        if prefix != "active":
            return self._state.policies_named(prefix)
        active = self._state.active_policy()
        return [active] if active is not None else []

    async def _hold(self, files: PolicyVersion, wish: PolicyWish, facts: Mapping[str, Any]) -> None:
        latest = self._state.policy_history(1)
        repeated = (
            bool(latest)
            and latest[0].held
            and latest[0].digest == files.digest
            and wish.by == wish.via
        )
        if not repeated:  # a restart of the same files is no news
            await self._tell(self._state.hold_policy(files.digest, files.texts, facts))
        _log.warning(
            "the policy files may loosen the policy and were not loaded: two people must agree",
            held=files.name, policy=str(facts["before"])[:12], by=wish.by, via=wish.via,
            setting="policy.single_person", see="gatekeep policy diff",
        )  # fmt: skip

    async def _tell(self, owed: OutboxRow) -> None:
        """Make the event durable, then active; without a receipt the wish is taken back."""
        try:
            await self._journal.append(self._journal.system, owed.kind, owed.payload).durable()
        except JournalUnavailable:
            self._state.withdraw_policy(owed.id)
            raise
        self._state.settle(owed.id)


async def _outcome(
    loading: Coroutine[Any, Any, Result],
) -> tuple[Result | None, Exception | None]:
    try:
        return await loading, None
    except Exception as error:  # noqa: BLE001 - handed to whoever waits
        return None, error


def _loaded(record: PolicyRecord) -> PolicyVersion:
    return load(record.texts)


def _examined(
    files: PolicyVersion, running: PolicyVersion | None, directory: Path
) -> Comparison | None:
    demand_cases(files, directory)
    if running is None:
        return None
    return compare(running, files, all_cases(directory), facts_of, action_of)
