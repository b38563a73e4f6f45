"""What is asked for ahead of time is read as a session of its place would read it."""

from __future__ import annotations

from support import builders
from support.sql_world import WORLD

from gatekeep.domain.actions import SqlAction, SqlClass
from gatekeep.domain.commands import SshAction
from gatekeep.domain.targets import TargetKind
from gatekeep.proxies.postgres.parsing import Parser
from gatekeep.proxies.postgres.reading import StatementReader
from gatekeep.proxies.ssh.understanding import CommandReader
from gatekeep.runtime.offload import Offload
from gatekeep.text_reading import TextReader


class Catalogues:
    """Knows one world, once it was asked to look it up."""

    def __init__(self) -> None:
        self.looked = False

    def fresh(self, _session: object) -> object:
        """What is known."""
        return WORLD if self.looked else None

    async def look_up(self, _session: object) -> object:
        """Look it up."""
        self.looked = True
        return WORLD


async def test_a_statement_is_classified_with_the_catalogue() -> None:
    """A plain SELECT is a read there, one that calls unknown code is not; looked up when needed."""
    offload, catalogues = Offload(), Catalogues()
    statements = StatementReader(catalogues, Parser(offload, ()))  # type: ignore[arg-type]  # all it needs
    reader = TextReader(catalogues, statements, CommandReader(offload))  # type: ignore[arg-type]  # as above
    session = builders.session()
    plain = await reader.read(session, "SELECT id FROM orders")
    code = await reader.read(session, "SELECT evil(1)")
    assert isinstance(plain, SqlAction)
    assert isinstance(code, SqlAction)
    assert plain.facts[0].sql_class is SqlClass.READ
    assert code.facts[0].sql_class is SqlClass.PROCEDURAL
    assert reader.around(session)["search_path"] == WORLD.search_path
    offload.close()


async def test_a_command_is_read_by_the_shells_grammar() -> None:
    """Its programs and tags are known, and its digest is that of its bytes."""
    offload = Offload()
    reader = TextReader(Catalogues(), None, CommandReader(offload))  # type: ignore[arg-type]  # not for commands
    session = builders.session(target=builders.target(kind=TargetKind.SSH), protocol="ssh")
    action = await reader.read(session, "rm -rf /var/lib")
    assert isinstance(action, SshAction)
    assert action.facts[0].program == "rm"  # type: ignore[union-attr]  # a command
    assert "destructive" in action.facts[0].tags
    assert len(action.digest) == 64
    offload.close()
