"""Reads a statement or a command that nobody has sent yet, as a session of its place would.

An adapter between the doors' readers and `gate.ahead`; decides nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields
from typing import Final

from gatekeep.domain.actions import SqlAction
from gatekeep.domain.commands import EXEC, SshAction
from gatekeep.domain.sessions import Session, SessionVector
from gatekeep.domain.targets import TargetKind
from gatekeep.gate.ports import CatalogueDesk
from gatekeep.proxies.postgres.reading import StatementReader
from gatekeep.proxies.ssh.understanding import CommandReader

_VECTOR: Final = tuple(field.name for field in fields(SessionVector))


class TextReader:
    """Implements gate.ahead.ReadText over the readers of both doors."""

    def __init__(
        self, catalogues: CatalogueDesk, statements: StatementReader, commands: CommandReader
    ) -> None:
        self._catalogues = catalogues
        self._statements = statements
        self._commands = commands

    async def read(self, session: Session, text: str) -> SqlAction | SshAction:
        """What it means there."""
        if session.target.kind is TargetKind.POSTGRES:
            if self._catalogues.fresh(session) is None:
                await self._catalogues.look_up(session)
            scope = self._statements.scope(session, self._vector(session), provable=True)
            reading = await self._statements.read(scope, text)
            return SqlAction("simple", text, reading.facts, reading.redacted)
        read = await self._commands.read(text, EXEC, session.target.login_shell, terminal=False)
        digest = hashlib.sha256(text.encode()).hexdigest()
        return SshAction("exec", text, read.facts, read.redacted, digest, resolved=read.resolved)

    def around(self, session: Session) -> Mapping[str, str]:
        """How an untouched session there reads it."""
        vector = self._vector(session)
        return {name: str(getattr(vector, name)) for name in _VECTOR}

    def _vector(self, session: Session) -> SessionVector:
        view = self._catalogues.fresh(session)
        if view is None or not view.search_path:
            return SessionVector()
        return SessionVector(search_path=view.search_path)
