"""What rules with `@notify` let people hear of: the port between the gate and whoever tells it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gatekeep.domain.decisions import NoticeRule


@dataclass(frozen=True, slots=True)
class Notice:
    """What came of one action that a rule with `@notify` decided; its event `n` is durable.

    `came_to` is `released`, `refused`, `asked` or, of a session, `opened`. `template` holds no values,
    and is empty where an action has none; `verb` says in few words what it is.
    """

    rule: NoticeRule
    principal: str
    target: str
    came_to: str
    verb: str
    template: str
    session_code: str
    n: int


TakeNotice = Callable[[Notice], None]
"""Called in the middle of the gate's work: it must neither wait nor raise."""
