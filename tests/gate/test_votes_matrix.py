"""12-threats §4.4: whoever is near to what is asked decides nothing about it, whatever the door."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest
from support.desk_world import DeskWorld, person

from gatekeep.domain.approvals import RequestState
from gatekeep.domain.identity import Principal

ALICE = person("alice", "engineers", "dba")
ALICE_TOO = person("alice-dba", "dba", of="alice")
ALICE_OWNS = person("alice-root", "owners", "dba", of="alice")
BOT = person("bot", "engineers", "dba", owner="alice")
TWIN = person("twin", "dba", owner="alice")
HOOK = person("hook", "dba", owner="olga")
BOB = person("bob", "dba")
CAROL = person("carol", "dba")
DAN = person("dan", "engineers")
OLGA = person("olga", "owners")
GONE = person("gone", "dba")
SAM = person("sam", "security")
CROWD = (SAM, ALICE, ALICE_TOO, ALICE_OWNS, BOT, TWIN, HOOK, BOB, CAROL, DAN, OLGA)
DOORS = ("slack", "web", "cli", "api", "webhook")


def _nothing(_world: DeskWorld) -> None:
    """As it is."""


def _lends(by: str, to: str) -> Callable[[DeskWorld], None]:
    return lambda world: world.standing.lend(by, to, "dba")


def _added(who: str, by: str) -> Callable[[DeskWorld], None]:
    def add(world: DeskWorld) -> None:
        world.standing.added[who] = {"dba": by}

    return add


def _lends_his_new_place(world: DeskWorld) -> None:
    """Alice put carol into the group, and carol lets dan vote for her."""
    _added("carol", "alice")(world)
    world.standing.lend("carol", "dan", "dba")


def _his_place_is_near_to_hers(world: DeskWorld) -> None:
    """Carol lets alice vote for her, and dan as well."""
    world.standing.lend("carol", "alice", "dba")
    world.standing.lend("carol", "dan", "dba")


def _stands_in_for_her_too(world: DeskWorld) -> None:
    """Alice lets carol vote for her, and carol lets dan."""
    world.standing.lend("alice", "carol", "dba")
    world.standing.lend("carol", "dan", "dba")


MATRIX = {
    "self": (ALICE, ALICE, _nothing, "own"),
    "second account": (ALICE, ALICE_TOO, _nothing, "own"),
    "her account among the administrators": (ALICE, ALICE_OWNS, _nothing, "own"),
    "the account that asked, as another": (ALICE_TOO, ALICE, _nothing, "own"),
    "a machine for itself": (BOT, BOT, _nothing, "own"),
    "owner of the bot": (BOT, ALICE, _nothing, "owner"),
    "owner of the bot, second account": (BOT, ALICE_TOO, _nothing, "owner"),
    "her delegate": (ALICE, BOB, _lends("alice", "bob"), "delegate"),
    "her delegator": (ALICE, BOB, _lends("bob", "alice"), "delegate"),
    "her delegate, with no seat of his own": (ALICE, DAN, _lends("alice", "dan"), "delegate"),
    "delegate of the bot's owner": (BOT, BOB, _lends("alice", "bob"), "delegate"),
    "delegator of the bot's owner": (BOT, BOB, _lends("bob", "alice"), "delegate"),
    "in the place of her delegator": (ALICE, DAN, _his_place_is_near_to_hers, "delegate"),
    "in the place of her delegate": (ALICE, DAN, _stands_in_for_her_too, "delegate"),
    "in the place of a delegate of the bot's owner": (BOT, DAN, _stands_in_for_her_too, "delegate"),
    "another machine of hers": (ALICE, TWIN, _nothing, "machine"),
    "a webhook's machine": (ALICE, HOOK, _nothing, "machine"),
    "new member, put there by her": (ALICE, BOB, _added("bob", "alice"), "added"),
    "new member, put there by the bot's owner": (BOT, BOB, _added("bob", "alice"), "added"),
    "in the place of a new member": (ALICE, DAN, _lends_his_new_place, "added"),
    "administrator": (ALICE, OLGA, _nothing, "outsider"),
    "outsider": (ALICE, DAN, _nothing, "outsider"),
    "no principal any more": (ALICE, GONE, _nothing, "outsider"),
    "as the directory knew him once": (ALICE, replace(DAN, groups=BOB.groups), _nothing, "outsider"),
}


_ABOUT_CAROL = {_lends_his_new_place, _his_place_is_near_to_hers, _stands_in_for_her_too}


@pytest.fixture
async def world() -> AsyncIterator[DeskWorld]:
    """The crowd."""
    made = DeskWorld(*CROWD)
    yield made
    await made.close()


@pytest.mark.parametrize("ahead", [False, True], ids=["held", "ahead"])
@pytest.mark.parametrize("case", MATRIX)
async def test_nobody_near_it_decides(world: DeskWorld, case: str, *, ahead: bool) -> None:
    """No yes counts, by any door: no vote is kept, no event is owed, and it is open for others."""
    asker, voter, arrange, refusal = MATRIX[case]
    arrange(world)
    request = await world.ask(asker, session="" if ahead else "ab" * 16)
    for door in DOORS:
        cast = await world.vote(request, voter, via=door)
        far = refusal in {"outsider", "added"} or arrange in _ABOUT_CAROL
        said = "machine" if door == "webhook" and far else refusal
        assert (cast.counted, cast.refusal) == (False, said), door
        assert cast.words
    found = world.books.request(request.id)
    assert found is not None
    assert (found.state, found.votes) == (RequestState.PENDING, ())
    assert world.journal.kinds() == ["approval.requested"]
    assert voter.person not in world.desk.deciders(request)
    other = BOB if arrange in _ABOUT_CAROL else CAROL
    assert (await world.vote(request, other, via="web")).counted


@pytest.mark.parametrize("door", [one for one in DOORS if one != "webhook"])
async def test_whoever_is_not_near_it_does(world: DeskWorld, door: str) -> None:
    """The same world with nothing arranged: one of the group is enough."""
    request = await world.ask(ALICE)
    cast = await world.vote(request, BOB, via=door)
    assert (cast.counted, cast.request.state) == (True, RequestState.APPROVED)


async def test_a_webhook_fills_no_seat_whoever_it_votes_as(world: DeskWorld) -> None:
    """Even one that was given the name of a person: its secret is nobody's second factor."""
    request = await world.ask(ALICE)
    assert (await world.vote(request, BOB, via="webhook")).refusal == "machine"
    assert (await world.vote(request, BOB, via="webhook", deny="frozen")).counted


async def test_a_machine_bars_the_way_of_its_own_group_only(world: DeskWorld) -> None:
    """It may say no, with a reason, to what its group is asked; and to nothing of its own."""
    asked = await world.ask(ALICE)
    assert (await world.vote(asked, HOOK, via="webhook", deny="change freeze")).counted
    of_security = await world.ask(ALICE, "DROP x", approvers=(("security",),))
    assert (await world.vote(of_security, HOOK, deny="no")).refusal == "outsider"
    its_own = await world.ask(HOOK, "DROP y")
    assert (await world.vote(its_own, HOOK, deny="no")).refusal == "own"
    assert (await world.vote(its_own, OLGA, deny="no")).refusal == "owner"


async def test_a_day_later_a_new_member_is_one_like_any(world: DeskWorld) -> None:
    """Whoever put him there: the bar is lifted when the book of memberships says so."""
    world.standing.added["bob"] = {"dba": "alice"}
    request = await world.ask(ALICE)
    assert (await world.vote(request, BOB)).refusal == "added"
    world.standing.added.clear()
    assert (await world.vote(request, BOB)).counted


def _quorum(*sets: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    return sets


@pytest.mark.parametrize(
    ("approvers", "voters", "needed"),
    [
        (_quorum(("dba:2",)), ("bob", "carol"), 2),
        (_quorum(("dba", "security")), ("both", "sam"), 2),
        (_quorum(("dba", "security")), ("sam", "both"), 2),
        (_quorum(("dba", "security")), ("both", "bob", "carol"), 2),
        (_quorum(("dba:2", "security")), ("both", "bob", "carol", "sam"), 3),
        (_quorum(("dba:2",), ("security",)), ("bob", "sam"), 2),
        (_quorum(("dba:2",), ("security",)), ("sam",), 1),
    ],
)
async def test_a_quorum_is_so_many_persons(
    approvers: tuple[tuple[str, ...], ...], voters: tuple[str, ...], needed: int
) -> None:
    """Whoever is in two groups sits on one seat, and is moved to the other where that helps."""
    people = {
        "bob": BOB, "carol": CAROL, "sam": person("sam", "security"),
        "both": person("both", "dba", "security"),
    }  # fmt: skip
    world = DeskWorld(ALICE, *people.values())
    request = await world.ask(ALICE, approvers=approvers)
    for number, name in enumerate(voters[:needed], 1):
        cast = await world.vote(request, people[name])
        assert cast.counted
        assert (cast.request.state is RequestState.APPROVED) == (number == needed)
    await world.close()


async def test_two_accounts_of_one_person_are_one_vote() -> None:
    """Two of dba are two people; the second account of the first is told that he has voted."""
    second = person("bob-too", "dba", of="bob")
    world = DeskWorld(ALICE, BOB, second, CAROL)
    request = await world.ask(ALICE, approvers=(("dba:2",),))
    assert (await world.vote(request, BOB)).counted
    assert (await world.vote(request, second)).refusal == "voted"
    assert (await world.vote(request, CAROL)).request.state is RequestState.APPROVED
    await world.close()


async def test_who_is_asked_later_has_a_seat_all_the_while() -> None:
    """Escalation tells another group, once, and changes nothing about who may decide."""
    lead = person("lee", "lead")
    world = DeskWorld(ALICE, BOB, lead)
    world.standing.later = {"dba": (300, "lead")}
    request = await world.ask(ALICE, approvers=(("dba",), ("lead",)))
    told: list[list[str]] = []
    world.desk.ended(request.id, lambda _request, groups: told.append(list(groups)))
    world.clock.pass_s(299)
    await world.desk.tick()
    assert not told
    world.clock.pass_s(1)
    await world.desk.tick()
    await world.desk.tick()
    assert told == [["lead"]]
    assert [one["groups"] for one in world.told("approval.escalated")] == [["lead"]]
    assert (await world.now(request)).escalated == ("lead",)
    assert (await world.vote(request, lead)).counted
    await world.close()


def test_the_matrix_has_everybody() -> None:
    """Every word that keeps somebody from voting stands in it."""
    said: set[str] = {one[3] for one in MATRIX.values()}
    assert said == {"own", "owner", "delegate", "machine", "added", "outsider"}
    assert all(isinstance(one[1], Principal) for one in MATRIX.values())
