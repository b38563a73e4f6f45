"""Who hears of what rules with `@notify` decide: notices are made here, once the event is durable.

Nothing is told here, and nothing that goes wrong in telling reaches the action.
"""

from __future__ import annotations

from dataclasses import replace

import structlog

from gatekeep.domain.actions import SqlAction
from gatekeep.domain.commands import SshAction
from gatekeep.domain.decisions import Decision, Verdict
from gatekeep.domain.sessions import Session
from gatekeep.gate.command_evidence import verbs_of as programs_of
from gatekeep.gate.fitness import verbs_of
from gatekeep.gate.notice_ports import Notice, TakeNotice
from gatekeep.gate.ports import Judgement

_log = structlog.get_logger(__name__)

_EXACT = "exact:"


class Noticing:
    """Hands notices to `listener`; while there is none, nobody is told.

    Whoever calls looks first whether `decision.notify` holds anything.
    """

    def __init__(self) -> None:
        self.listener: TakeNotice | None = None

    def ruled(
        self,
        session: Session,
        action: SqlAction | SshAction,
        decision: Decision,
        n: int,
        *,
        passed: bool,
    ) -> None:
        """An action is released or refused, by the durable event `n`.

        What policy allows and something else refuses (its pipeline, its reading) is not the rule's.
        """
        if passed or decision.verdict is not Verdict.ALLOW:
            self._note(session, action, decision, "released" if passed else "refused", n)

    def asked(
        self, session: Session, action: SqlAction | SshAction, decision: Decision, n: int
    ) -> None:
        """It waits for a person."""
        self._note(session, action, decision, "asked", n)

    def opened(self, session: Session, decision: Decision, n: int) -> None:
        """A session begins."""
        self._note(session, None, decision, "opened", n)

    def _note(
        self,
        session: Session,
        action: SqlAction | SshAction | None,
        decision: Decision,
        came_to: str,
        n: int,
    ) -> None:
        if self.listener is None:
            return
        try:
            verb, template = what_of(action)
            for rule in decision.notify:
                self.listener(
                    Notice(
                        rule, session.principal.name, session.target.name, came_to, verb, template,
                        session.code, n,
                    )
                )  # fmt: skip
        except Exception as error:  # noqa: BLE001 - the action has its event; telling is no condition of it
            _log.error("a notice was not taken", n=n, error=type(error).__name__)


def what_of(action: SqlAction | SshAction | None) -> tuple[str, str]:
    """What an action is called in few words, and its template if it has one; never a value."""
    if action is None:
        return "session", ""
    if isinstance(action, SshAction):
        return programs_of(action), ""
    templates = [fact.template for fact in action.facts]
    known = all(one and not one.startswith(_EXACT) for one in templates)
    return verbs_of(action.facts), "; ".join(templates) if known else ""


def told_as_asked(judgement: Judgement, asked: Decision) -> Judgement:
    """The judgement by which something asked about may pass, told also as the asking rules want it."""
    if not asked.notify:
        return judgement
    both = tuple(dict.fromkeys((*asked.notify, *judgement.decision.notify)))
    return replace(judgement, decision=replace(judgement.decision, notify=both))
