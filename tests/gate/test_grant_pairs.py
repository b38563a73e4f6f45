"""12-threats C5: leave that was given for the first of a pair never lets out the second.

Real statements, read as the gateway reads them, held by the real rooms; the widest leave that is
offered for exactly these values.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from support import builders
from support.desk_world import DeskWorld, Rules, person
from support.held_statement import HeldStatement
from support.sql_world import read

from gatekeep.domain.actions import BoundValue, SqlAction
from gatekeep.domain.approvals import ApprovalRequest, RequestState, Scope
from gatekeep.domain.decisions import Verdict
from gatekeep.gate.holding import Held, NotReleased, Released
from gatekeep.protocols.postgres.values import bound_value
from gatekeep.protocols.sql.slots import slots_of

ALICE, BOB = person("alice", "engineers"), person("bob", "dba")
SESSION = builders.session(principal=ALICE)
PAIRS = [
    ("DELETE FROM orders WHERE id > 1000000", "DELETE FROM orders WHERE id > 0"),
    ("DELETE FROM orders WHERE status LIKE 'tmp%'", "DELETE FROM orders WHERE status LIKE '%'"),
    ("DELETE FROM orders WHERE false", "DELETE FROM orders WHERE true"),
    ("UPDATE orders SET status = 'user' WHERE id = 1", "UPDATE orders SET status = 'admin' WHERE id = 1"),
    ("SET ROLE a", "SET ROLE b"),
    ("SELECT set_config('work_mem', '4MB', false)", "SELECT set_config('role', 'postgres', false)"),
    ("EXECUTE p1", "EXECUTE p2"),
    ("DO $$ BEGIN PERFORM 1; END $$", "DO $$ BEGIN DELETE FROM orders; END $$"),
    (
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'DELETE FROM orders RETURNING 1'",
    ),
    ("SELECT dblink_exec('x', 'SELECT 1')", "SELECT dblink_exec('x', 'DROP TABLE orders')"),
    ("SELECT id FROM orders WHERE total = 1::int", "SELECT id FROM orders WHERE total = 1::dom"),
    ("SELECT id FROM orders WHERE id > 0 LIMIT 1", "SELECT id FROM orders WHERE id > 0 LIMIT 1000000"),
    ("SELECT id FROM orders WHERE id = 1", "SELECT id AS total FROM orders WHERE id = 1"),
    ("DELETE FROM orders WHERE id IN (1)", "DELETE FROM orders WHERE id IN (1, 2, 3, 4)"),
    ("DELETE FROM orders WHERE id = 1", "DELETE FROM orders"),
    ("DELETE FROM orders WHERE id = 1", "DELETE FROM app.orders WHERE id = 1"),
    ("DELETE FROM orders WHERE id = 1", "DELETE FROM customers WHERE id = 1"),
    ("DELETE FROM orders WHERE id = 1", "DELETE FROM orders WHERE id = -1"),
    ("DELETE FROM orders WHERE id = 1", "DELETE FROM orders WHERE id = '1'"),
    ("DELETE FROM orders WHERE id = 1", "DELETE FROM orders WHERE id = 1 OR 1 = 1"),
    ("DELETE FROM orders WHERE id = 1", "DELETE FROM orders WHERE id = 1; DELETE FROM orders"),
    ("DELETE FROM orders WHERE id = 1", "WITH x AS (DELETE FROM customers) DELETE FROM orders WHERE id = 1"),
    ("DELETE FROM orders WHERE status = B'1'", "DELETE FROM orders WHERE status = B'0'"),
    ("DELETE FROM orders WHERE status = 'a'", "DELETE FROM orders WHERE status = E'\\x61'"),
    ("COPY (SELECT 1) TO STDOUT", "COPY (SELECT 2) TO STDOUT"),
    ("SELECT id FROM orders WHERE id = 1", "SELECT id FROM orders WHERE id = 1 FOR UPDATE"),
    ("UPDATE orders SET total = NULL WHERE id = 1", "UPDATE orders SET total = DEFAULT WHERE id = 1"),
    ('DELETE FROM "Orders" WHERE id = 1', "DELETE FROM orders WHERE id = 1"),
    ("DELETE FROM Äpfel WHERE id = 1", "DELETE FROM äpfel WHERE id = 1"),
    ("DELETE FROM k WHERE id = 1", "DELETE FROM \N{KELVIN SIGN} WHERE id = 1"),
    ("DELETE FROM orders WHERE status = N'a'", "DELETE FROM orders WHERE status = n 'a'"),
]  # fmt: skip
FREED = [
    ("UPDATE t SET a = 1 WHERE id = 1 AND role = 'user'", "UPDATE t SET a = 1 WHERE id = 1 AND role = 'admin'"),
    ("DELETE FROM t WHERE id = 1 AND tenant_id = 1", "DELETE FROM t WHERE id = 1 AND tenant_id = 2"),
    ("DELETE FROM t WHERE id = 1 AND price < 1", "DELETE FROM t WHERE id = 1 AND price < 100"),
    ("SELECT a FROM t WHERE id = 1 LIMIT 1", "SELECT a FROM t WHERE id = 1 LIMIT 1000000"),
    ("DELETE FROM t WHERE id = 1", "DELETE FROM t WHERE id = '1'"),
    ("DELETE FROM t WHERE id IN (1)", "DELETE FROM t WHERE id IN (1, 2)"),
    ("DELETE FROM t WHERE id = 1", "DELETE FROM t WHERE id = 1.5"),
]  # fmt: skip


class Asking:
    """One text that is held, or let out by leave."""

    def __init__(self, world: DeskWorld, text: str, *bound: BoundValue, path: str = "public") -> None:
        self.world = world
        self.hold = HeldStatement()
        self.hold.fields["search_path"] = path
        facts = read(text)
        action = SqlAction("simple", text, facts, text, bound)
        self.hold.values = slots_of(text, bound) if len(facts) == 1 else ()
        judgement = world.rules.judge_approved(SESSION, action, None)  # type: ignore[arg-type]  # asks for everything
        held = Held(SESSION, [action], [judgement], [0])
        self.asked: list[str] = []
        self.task = world.owner.spawn(
            world.holding.released(held, self.hold, self._recorded), name="hold"
        )

    async def _recorded(self, request: ApprovalRequest) -> None:
        self.asked.append(request.id)

    async def waits(self) -> ApprovalRequest | None:
        """The request that it waits for; None where it went out by leave."""
        while not self.task.done() and not self.hold.told:
            await asyncio.sleep(0)
        if not self.asked:
            assert isinstance(self.task.result(), Released)
            return None
        return await self.world.desk.request(self.asked[0])

    async def leaves(self) -> None:
        """Nobody wants it any more."""
        request = await self.waits()
        if request is not None and request.state is RequestState.PENDING:
            await self.world.desk.withdraw_held(request.id, "cancelled")
            assert isinstance(await self.task, NotReleased)


@pytest.fixture
async def world() -> AsyncIterator[DeskWorld]:
    """Somebody who asks, and one who gives as much as he can."""
    made = DeskWorld(ALICE, BOB)
    made.rules.enough = lambda approval: bool(approval and approval.groups)
    yield made
    await made.close()


async def given(world: DeskWorld, text: str, *bound: BoundValue, freed: tuple[int, ...] = ()) -> Scope:
    """Somebody says yes, for as long and as often as it goes."""
    asking = Asking(world, text, *bound)
    request = await asking.waits()
    assert request is not None
    template = Scope.TEMPLATE.value in request.subject.facts["scopes"]
    scope = Scope.TEMPLATE if template else Scope.ONCE
    cast = await world.vote(request, BOB, scope=scope, for_s=28_800, freed=freed)
    assert cast.counted, cast
    assert isinstance(await asking.task, Released)
    return scope


@pytest.mark.parametrize(("first", "second"), PAIRS)
async def test_the_second_of_a_pair_is_asked_again(world: DeskWorld, first: str, second: str) -> None:
    """And so is the first, unless it is one that may repeat: then it goes out by leave."""
    scope = await given(world, first)
    again = Asking(world, first)
    assert (await again.waits() is None) == (scope is Scope.TEMPLATE)
    other = Asking(world, second)
    assert await other.waits() is not None
    await again.leaves()
    await other.leaves()


@pytest.mark.parametrize(("first", "second"), FREED)
async def test_not_even_where_every_value_was_freed(world: DeskWorld, first: str, second: str) -> None:
    """Whose and how much stays as it was, and so do types and the number of values."""
    assert await given(world, first, freed=tuple(range(1, 10))) is Scope.TEMPLATE
    other = Asking(world, second)
    assert await other.waits() is not None
    await other.leaves()


async def test_a_value_that_was_freed_may_be_any_other(world: DeskWorld) -> None:
    """That is what freeing is for."""
    await given(world, "DELETE FROM t WHERE id = 1 AND b = 'x'", freed=(1,))
    assert await Asking(world, "DELETE FROM t WHERE id = 7 AND b = 'x'").waits() is None
    assert await Asking(world, "delete  from T where id=8 and b = 'x' -- as well").waits() is None
    other = Asking(world, "DELETE FROM t WHERE id = 7 AND b = 'y'")
    assert await other.waits() is not None
    await other.leaves()


async def test_bound_values_are_values_too(world: DeskWorld) -> None:
    """Pinned with their type; where one was freed its type stays; one in a role's place never is."""
    text = "UPDATE t SET a = $1 WHERE id = $2 AND role = $3"
    bound = (BoundValue(23, "1", 1), BoundValue(23, "2", 1), BoundValue(25, "user", 4))
    await given(world, text, *bound, freed=(1, 3))
    assert await Asking(world, text, BoundValue(23, "9", 1), *bound[1:]).waits() is None
    for other in (
        (bound[0], BoundValue(23, "3", 1), bound[2]),
        (BoundValue(25, "1", 1), *bound[1:]),
        (*bound[:2], BoundValue(25, "admin", 5)),
        (BoundValue(23, None), *bound[1:2], BoundValue(25, None)),
    ):
        asking = Asking(world, text, *other)
        assert await asking.waits() is not None
        await asking.leaves()


async def test_the_form_of_a_value_is_part_of_it(world: DeskWorld) -> None:
    """The same bytes are another value in the other form: text is decoded, binary is itself."""
    text, value = "UPDATE t SET a = $1 WHERE id = 1", b"\\x" + 600 * b"41"
    await given(world, text, bound_value(value, 17, binary=False))
    assert await Asking(world, text, bound_value(value, 17, binary=False)).waits() is None
    other = Asking(world, text, bound_value(value, 17, binary=True))
    assert await other.waits() is not None
    await other.leaves()


async def test_how_it_is_read_is_part_of_it(world: DeskWorld) -> None:
    """The same text under another search_path is another statement."""
    await given(world, "DELETE FROM t WHERE id = 1")
    other = Asking(world, "DELETE FROM t WHERE id = 1", path="evil, public")
    assert await other.waits() is not None
    await other.leaves()


async def test_leave_for_a_session_reaches_no_code(world: DeskWorld) -> None:
    """The same rule and the same verb, but nobody knows what it runs: it is asked about."""
    asking = Asking(world, "SELECT id FROM orders WHERE id = 1")
    request = await asking.waits()
    assert request is not None
    await world.vote(request, BOB, scope=Scope.SESSION)
    await asking.task
    assert await Asking(world, "SELECT id FROM orders WHERE id > 5").waits() is None
    for text in ("SELECT evil()", "SELECT o.evil FROM orders o", "SELECT dblink_exec('x', 'DROP x')"):
        other = Asking(world, text)
        assert await other.waits() is not None
        await other.leaves()


def test_this_policy_asks_for_all_of_it() -> None:
    """No pair goes out because nobody would have been asked."""
    rules = Rules()
    rules.enough = lambda approval: bool(approval and approval.groups)
    assert rules.judge_approved(SESSION, None, None).decision.verdict is Verdict.ASK  # type: ignore[arg-type]  # no approval
