"""Grants: leave that lasts for a time, made by an approval. Each is visible and revocable.

And the reviews of those that somebody took without being asked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from gatekeep.domain.approvals import Approval, Scope

_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Slot:
    """A value of a template: its number, its type (`int`, `text` …) and the value as written.

    `bound` is true for one that was bound to a parameter. `sensitive` ones are never freed (a
    role, a tenant, a path, a setting).
    """

    number: int
    type: str
    value: str
    bound: bool = False
    sensitive: bool = False


@dataclass(frozen=True, slots=True)
class Situation:
    """What a grant may cover: one submission as it stands, before anybody is asked.

    `exact` is the SHA-256 of what is sent, its values with it, `around` what decides how it is read
    and by whom (session vector, database, address), by name. `template` is empty where only the
    exact bytes count. `repeatable`: it is of the kind that leave for a session may reach.
    """

    principal: str
    target: str
    account: str
    session: str
    rule: str
    verb: str
    exact: str
    template: str = ""
    slots: tuple[Slot, ...] = ()
    around: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """Leave for one principal on one target. Times are microseconds UTC; 0 for not yet.

    `scope` says what it covers; `bound` holds what must be the same then (fields of the binding,
    the template, the pinned values), by name. `groups` are those that the votes spoke for, and
    `persons` who gave them: it counts only while they are still in these groups. `kind` is what
    policy reads of it: grant, access or break_glass. `ends_us` is never 0. `session` is set for
    one that ends with its session. `settled`: the event of its making is durable.
    """

    id: str
    request: str
    scope: Scope
    kind: str
    principal: str
    person: str
    target: str
    account: str
    groups: frozenset[str]
    persons: Mapping[str, frozenset[str]]
    made_us: int
    starts_us: int
    ends_us: int
    session: str = ""
    mfa: bool = False
    bound: Mapping[str, str] = field(default_factory=dict)
    shown: str = ""
    used: int = 0
    revoked_us: int = 0
    revoked_by: str = ""
    settled: bool = False

    def live_at(self, now_us: int) -> bool:
        """Whether it counts at this time."""
        return self.settled and not self.revoked_us and self.starts_us <= now_us < self.ends_us

    def covers(self, now: Situation) -> bool:
        """Whether this is what was granted; policy has the last word all the same."""
        somewhere_else = (
            self.principal != now.principal
            or self.target != now.target
            or (self.account and self.account != now.account)
        )
        if somewhere_else:
            return False
        if self.scope is Scope.SESSION:
            return (
                now.repeatable
                and self.session == now.session
                and self.bound.get("rule") == now.rule
                and self.bound.get("verb") == now.verb
            )
        return self.scope is Scope.ACCESS or self._covers_statement(now)

    def _covers_statement(self, now: Situation) -> bool:
        around = {f"around {name}": value for name, value in now.around.items()}
        bound = {name: value for name, value in self.bound.items() if name.startswith("around ")}
        if self.scope is Scope.ONCE:
            # Given before there was a session: bound to what was known of sessions there then.
            fits = bound.items() <= around.items()
            return fits and not self.used and self.bound.get("exact") == now.exact
        return bound == around and self._covers_template(now)

    def _covers_template(self, now: Situation) -> bool:
        if not now.template or self.bound.get("template") != now.template:
            return False
        if self.bound.get("slots") != str(len(now.slots)):
            return False
        return all(
            self.bound.get(f"type {slot.number}") == slot.type
            and self.bound.get(f"slot {slot.number}", slot_value(slot)) == slot_value(slot)
            for slot in now.slots
        )

    def approval(self, now_us: int) -> Approval:
        """What it is to policy at this time."""
        age_s = max(0, now_us - self.made_us) // _US
        return Approval(self.kind, self.groups, self.mfa, age_s, self.request, self.id)


def slot_value(slot: Slot) -> str:
    """A slot's type and value, as a grant keeps it: a digest, because values may be anybody's."""
    kept = f"{slot.type}\0{slot.value}"
    return hashlib.sha256(kept.encode("utf-8", "surrogatepass")).hexdigest()


def template_bound(now: Situation, freed: Collection[int]) -> dict[str, str]:
    """What a template's grant holds fast: all of it but the values that were freed, not their types."""
    types = {f"type {slot.number}": slot.type for slot in now.slots}
    pinned = {
        f"slot {slot.number}": slot_value(slot)
        for slot in now.slots
        if slot.number not in freed or slot.sensitive
    }
    around = {f"around {name}": value for name, value in now.around.items()}
    return {"template": now.template, "slots": str(len(now.slots)), **around, **types, **pinned}


@dataclass(frozen=True, slots=True)
class Review:
    """A break-glass grant that somebody else must look at. Times are microseconds UTC, 0: not yet.

    `principal` took the leave, for `reason`; `person` is whose that is, or who answers for the machine
    that took it. `finding` is the word of `closed_by`.
    """

    id: str
    grant: str
    principal: str
    person: str
    target: str
    account: str
    opened_us: int
    reason: str = ""
    closed_us: int = 0
    closed_by: str = ""
    finding: str = ""
