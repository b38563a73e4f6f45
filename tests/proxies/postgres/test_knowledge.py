"""How a session stands when one of its statements is held, as the approver's look is told."""

from __future__ import annotations

from support import builders
from support.sql_world import WORLD

from gatekeep.domain.actions import BoundValue, SqlAction
from gatekeep.domain.catalogue import CatalogueView
from gatekeep.domain.sessions import Session, SessionVector
from gatekeep.gate.sight_ports import Standing
from gatekeep.messages import sight as words
from gatekeep.protocols.postgres.conversation import Conversation
from gatekeep.protocols.sql.guard import MEDIUM, SMALL
from gatekeep.protocols.sql.reading import read_statements
from gatekeep.proxies.postgres.knowledge import Knowledge
from gatekeep.proxies.postgres.parsing import Parser
from gatekeep.proxies.postgres.reading import StatementReader
from gatekeep.runtime.offload import Offload

VECTOR = SessionVector(role="clerk", search_path="public")
ALL = "DELETE FROM orders"


class Desk:
    """A catalogue that is at hand, or not."""

    def __init__(self) -> None:
        self.view: CatalogueView | None = WORLD

    def fresh(self, _session: Session) -> CatalogueView | None:
        """What is at hand."""
        return self.view

    async def look_up(self, _session: Session) -> CatalogueView | None:
        """A hold waits for nothing before its look begins."""
        raise AssertionError

    def invalidate(self, _session: Session) -> None:
        """Nothing is kept."""

    def unsettle(self, _session: Session) -> None:
        """Nothing is kept."""

    def settle(self, _session: Session) -> None:
        """Nothing is kept."""


class Story:
    """A session whose statements are held."""

    def __init__(self, vector: SessionVector | None = VECTOR) -> None:
        self.desk = Desk()
        self.offload = Offload()
        reader = StatementReader(self.desk, Parser(self.offload))
        self.knowledge = Knowledge(builders.session(), reader)
        self.talk = Conversation(draw_nonce=lambda: "0" * 32, target="orders", vector=vector)

    def action(self, text: str, *, values: int = 0) -> SqlAction:
        """An execution of a text."""
        facts = read_statements(text, catalogue=WORLD, vector=VECTOR)
        return SqlAction("simple", text, facts, text, (BoundValue(23, "1"),) * values)

    async def standing(self, text: str, *, values: int = 0) -> Standing:
        """How it stands while this is held."""
        return await self.knowledge.standing(self.talk, self.action(text, values=values), 77)


async def test_a_proven_statement_brings_its_plan() -> None:
    """With all that the look needs to stand where the session stands."""
    standing = await Story().standing(ALL)
    assert standing == Standing(
        vector=VECTOR,
        open_changes=False,
        target_pid=77,
        plan="EXPLAIN (FORMAT JSON) DELETE FROM orders",
        epoch=WORLD.epoch,
        table="public.orders",
    )


async def test_bound_values_are_not_part_of_it() -> None:
    """The text goes on as it came, and the look is told to leave values out."""
    standing = await Story().standing("DELETE FROM orders WHERE id = $1", values=1)
    assert standing.generic
    assert standing.plan == "PREPARE gk_sight AS DELETE FROM orders WHERE id = $1"


async def test_what_runs_code_is_named() -> None:
    """And no plan goes along."""
    standing = await Story().standing("DELETE FROM orders WHERE id = evil()")
    assert (standing.plan, standing.unproven) == ("", "runs public.evil")


async def test_nothing_is_planned_while_something_is_not_known() -> None:
    """The vector, the catalogue, the meaning of a name, what the transaction has changed."""
    unknown = await Story(vector=None).standing(ALL)
    assert (unknown.vector, unknown.plan) == (None, "")
    story = Story()
    story.desk.view = None
    assert (await story.standing(ALL)).plan == ""
    taken = await Story().standing("EXECUTE p")
    assert (taken.plan, taken.unproven) == ("", words.NOT_UNDERSTOOD)


async def test_code_that_ran_in_the_open_transaction_voids_it_until_that_is_over() -> None:
    """No look-up could see what it did."""
    story = Story()
    story.knowledge.goes_out(story.action("CREATE TABLE n (id int)"), vector_safe=False)
    during = await story.standing(ALL)
    assert (during.open_changes, during.plan) == (True, "")
    story.knowledge.transaction_over()
    after = await story.standing(ALL)
    assert (after.open_changes, bool(after.plan)) == (False, True)


async def test_long_texts_are_judged_elsewhere_or_not_at_all() -> None:
    """Nobody waits for one."""
    story = Story()
    long = f"{ALL} WHERE id IN ({', '.join(['1'] * (SMALL // 2))})"
    assert len(long) > SMALL
    assert (await story.standing(long)).plan.endswith(long)
    longer = f"{ALL} WHERE id IN ({', '.join(['1'] * MEDIUM)})"
    assert (await story.standing(longer)).unproven == words.TOO_LONG
    story.offload.close()
