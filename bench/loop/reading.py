"""Texts as the doors read them: facts by the real readers, likeness by the real normal form."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from organisation import Organisation

from gatekeep.domain.actions import SqlAction, SqlFacts
from gatekeep.domain.commands import SshAction
from gatekeep.domain.likeness import Likeness
from gatekeep.domain.sessions import SessionVector
from gatekeep.domain.targets import TargetKind
from gatekeep.protocols.sql.likeness import sql_likeness
from gatekeep.protocols.sql.reading import read_statements
from gatekeep.protocols.ssh.commands.command import command_action
from gatekeep.protocols.ssh.commands.likeness import command_likeness

Action = SqlAction | SshAction


@dataclass(slots=True)
class Reader:
    """Reads for one organisation, each text once. Facts of one shape are one object, as in a proxy."""

    organisation: Organisation
    _read: dict[tuple[TargetKind, str], tuple[Action, Likeness | None]] = field(default_factory=dict)
    _facts: dict[SqlFacts, tuple[SqlFacts, ...]] = field(default_factory=dict)

    def read(self, kind: TargetKind, text: str) -> tuple[Action, Likeness | None]:
        """The action that a text is, and what it has in common with its like."""
        known = self._read.get((kind, text))
        if known is None:
            known = self._sql(text) if kind is TargetKind.POSTGRES else self._command(text)
            self._read[kind, text] = known
        return known

    def _sql(self, text: str) -> tuple[Action, Likeness | None]:
        found = read_statements(text, catalogue=self.organisation.view, vector=SessionVector())
        shown = "; ".join(one.redacted for one in found)
        alone = len(found) == 1 and not found[0].values_read
        facts = found
        if alone:  # as a proxy: what is known of a shape is known once
            shape = replace(found[0], redacted="", gives=None, takes=None)
            facts = self._facts.setdefault(shape, found)
        action = SqlAction("simple", text, facts, shown)
        template = "; ".join(one.template for one in facts)
        return action, sql_likeness(template, shown, ()) if len(found) == 1 else None

    def _command(self, text: str) -> tuple[Action, Likeness | None]:
        action = command_action(text)
        return action, command_likeness(action.command, action.facts)
