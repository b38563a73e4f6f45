"""The port of policy versions: what the journal knows of them, and how files come into force.

Asking the version that rules is `ports.PolicyDesk`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class PolicyRecord:
    """A policy version as it was put into force, or `held` back. `texts` are its files by name.

    `facts` is what the event said: who (`by`), `via`, `os_user`, `reason`, the difference from
    the version before. `activated_us` is the time of that, microseconds UTC.
    """

    digest: str
    texts: Mapping[str, str]
    activated_us: int
    facts: Mapping[str, Any] = field(default_factory=dict)
    held: bool = False


@dataclass(frozen=True, slots=True)
class PolicyWish:
    """Who wants the files' policy to rule: `by` a principal, or `start` or `signal`.

    `via` is `start`, `signal`, `reload` or `apply`; `os_user` the operating system's account that
    asked; `decision` what policy said to it, as the envelope of an event has it.
    """

    by: str
    via: str
    os_user: str
    reason: str = ""
    decision: Mapping[str, Any] = field(default_factory=dict)


class PolicyBook(Protocol):
    """The versions of the policy, as the journal knows them."""

    @property
    def single_person(self) -> bool:
        """Whether one person alone may loosen the policy."""

    async def apply(self, wish: PolicyWish) -> Mapping[str, Any]:
        """Load the files through all checks and put them into force, or hold them back.

        Says `policy` (what rules now), `before`, the difference, and under `held` why nothing
        changed. Raises SettingsError for a fault in the files, JournalUnavailable.
        """

    def history(self, limit: int) -> Sequence[PolicyRecord]:
        """What was put into force or held back, newest first."""

    def named(self, prefix: str) -> Sequence[PolicyRecord]:
        """Everything recorded of versions whose digest begins so; `active` is the one that rules."""
