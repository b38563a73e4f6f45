"""A gate over a fake journal and a scripted policy, with one live session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from support import builders
from support.fake_journal import FakeJournal

from gatekeep.domain.actions import SqlAction
from gatekeep.domain.decisions import Verdict
from gatekeep.gate.clearance import Answer, Clearance
from gatekeep.gate.ports import Judgement
from gatekeep.gate.supervision import LiveSession


class ScriptedPolicy:
    """Judges by a function of the action's text."""

    version = "abcdef012345"

    def __init__(self, rule: Callable[[SqlAction], Judgement]) -> None:
        self._rule = rule

    def judge_command(self, session: object, action: object) -> Judgement:
        """Nothing comes over SSH here."""
        raise NotImplementedError

    def judge(self, session: object, action: SqlAction) -> Judgement:
        """Ask the script."""
        return self._rule(action)


def by_text(**verdicts: Verdict) -> ScriptedPolicy:
    """A policy that allows all but the texts named."""
    return ScriptedPolicy(
        lambda action: builders.judgement(
            verdicts.get(action.text.split()[0].lower(), Verdict.ALLOW)
        )
    )


class Story:
    """A gate over a fake journal, and one live session."""

    def __init__(self, policy: ScriptedPolicy | None = None, journal: FakeJournal | None = None) -> None:
        self.journal = journal or FakeJournal()
        self.incidents: list[str] = []
        self.gate = Clearance(
            self.journal,
            policy or by_text(),
            on_unrecordable=lambda incident, _error: self.incidents.append(incident),
        )
        session = builders.session()
        stream = self.journal.open_stream(session_id=session.id, subject="alice", target="orders")
        self.live = LiveSession(session, stream, 0, lambda _reason: None)

    async def clear(
        self, *actions: SqlAction, vector_known: bool = True, overlap: bool = False
    ) -> list[Answer]:
        """Send one segment through the gate."""
        return await self.gate.clear(
            self.live, b"{}", actions, vector_known=vector_known, overlap=overlap
        )

    def only_reads(self) -> None:
        """Policy lets the session do nothing else."""
        self.live.session = replace(self.live.session, read_only=True)
