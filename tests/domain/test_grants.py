"""Leave that lasts: it covers what was granted, there, then, once or again, and nothing beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeep.domain.approvals import Scope
from gatekeep.domain.grants import Grant, Situation, Slot, slot_value, template_bound

SLOTS = (Slot(1, "number", "1"), Slot(2, "string", "'a'", sensitive=True), Slot(3, "oid 23", "=7", bound=True))
NOW = Situation(
    "alice", "orders", "app", "s1", "rule", "DELETE", "9c41", template="delete $1 $2 $3",
    slots=SLOTS, around={"search_path": "public", "role": "none"}, repeatable=True,
)  # fmt: skip


def grant(scope: Scope, bound: Mapping[str, str], **more: object) -> Grant:
    """Leave of this scope, live from 100 to 200."""
    made = Grant(
        "G-1", "K3F9", scope, "grant", "alice", "p-alice", "orders", "app", frozenset({"dba"}),
        {"bob": frozenset({"dba"})}, 100, 100, 200, bound=bound, settled=True,
    )  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]  # fields by name


TEMPLATE = grant(Scope.TEMPLATE, template_bound(NOW, ()))
ONCE = grant(Scope.ONCE, {"exact": "9c41", "around search_path": "public"})
SESSION = grant(Scope.SESSION, {"rule": "rule", "verb": "DELETE"}, session="s1")
ACCESS = grant(Scope.ACCESS, {})
ALL = {"template": TEMPLATE, "once": ONCE, "session": SESSION, "access": ACCESS}
OTHER = {
    "principal": "mallory", "target": "billing", "account": "root", "session": "s2", "rule": "other",
    "verb": "UPDATE", "exact": "0000", "template": "delete $1", "repeatable": False,
    "slots": SLOTS[:2], "around": {"search_path": "app", "role": "none"},
}  # fmt: skip
BINDS = {
    "template": {"principal", "target", "account", "template", "slots", "around"},
    "once": {"principal", "target", "account", "exact", "around"},
    "session": {"principal", "target", "account", "session", "rule", "verb", "repeatable"},
    "access": {"principal", "target", "account"},
}


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("field", OTHER)
def test_each_scope_is_bound_to_its_fields(name: str, field: str) -> None:
    """One by one: what it is bound to must be the same, the rest is left to policy."""
    assert ALL[name].covers(NOW)
    changed = replace(NOW, **{field: OTHER[field]})  # type: ignore[arg-type]  # fields by name
    assert ALL[name].covers(changed) == (field not in BINDS[name])


def test_every_field_of_a_situation_is_looked_at() -> None:
    """A field that is added later must say which scopes it binds."""
    assert set(OTHER) == {one.name for one in fields(Situation)}


def test_leave_for_all_accounts_names_none() -> None:
    """An empty account is any."""
    assert replace(ACCESS, account="").covers(replace(NOW, account="root"))


@pytest.mark.parametrize(
    ("settled", "revoked_us", "at_us", "live"),
    [
        (True, 0, 99, False), (True, 0, 100, True), (True, 0, 199, True), (True, 0, 200, False),
        (False, 0, 150, False), (True, 120, 150, False), (True, 120, 110, False),
    ],
)  # fmt: skip
def test_it_is_live_in_its_time_only(settled: bool, revoked_us: int, at_us: int, live: bool) -> None:
    """From its start, to before its end, unless revoked, and never before its event is durable."""
    assert replace(ACCESS, settled=settled, revoked_us=revoked_us).live_at(at_us) is live


def test_once_is_used_once() -> None:
    """And a template as often as it is asked for."""
    assert not replace(ONCE, used=1).covers(NOW)
    assert replace(TEMPLATE, used=7).covers(NOW)


def test_once_given_ahead_is_bound_to_what_was_known_then() -> None:
    """A session says more about itself than was known before there was one; nothing else differs."""
    assert ONCE.covers(NOW)
    assert not ONCE.covers(replace(NOW, around={"role": "none"}))


def test_a_template_says_all_of_what_is_around() -> None:
    """Neither less nor more is known then than when it was given."""
    more = {**NOW.around, "row_security": "off"}
    assert not TEMPLATE.covers(replace(NOW, around=more))
    assert not TEMPLATE.covers(replace(NOW, around={"search_path": "public"}))


def test_what_has_no_template_is_covered_by_none() -> None:
    """However empty the grant's own was."""
    empty = replace(NOW, template="", slots=())
    assert not grant(Scope.TEMPLATE, template_bound(empty, ())).covers(empty)


SLOT = st.builds(
    lambda kind, value, sensitive: (kind, value, sensitive),
    st.sampled_from(["number", "string", "oid 23"]), st.sampled_from(["1", "2", "'a'"]), st.booleans(),
)  # fmt: skip


def numbered(drawn: list[tuple[str, str, bool]]) -> tuple[Slot, ...]:
    """Slots of these."""
    return tuple(
        Slot(number, kind, value, sensitive=sensitive)
        for number, (kind, value, sensitive) in enumerate(drawn, 1)
    )


@given(st.lists(SLOT, max_size=4), st.lists(SLOT, max_size=4), st.frozensets(st.integers(0, 5)))
def test_a_template_covers_other_values_only_where_they_were_freed(
    before: list[tuple[str, str, bool]], after: list[tuple[str, str, bool]], freed: frozenset[int]
) -> None:
    """As many values, of the same types, the same ones but for those that were freed; never sensitive."""
    made, now = numbered(before), numbered(after)
    covers = grant(Scope.TEMPLATE, template_bound(replace(NOW, slots=made), freed)).covers(
        replace(NOW, slots=now)
    )
    assert covers == (
        len(made) == len(now)
        and all(
            one.type == other.type
            and (one.value == other.value or (one.number in freed and not one.sensitive))
            for one, other in zip(made, now, strict=True)
        )
    )


def test_values_are_kept_as_digests_with_their_type() -> None:
    """Whoever reads a grant reads no values; a number is not the text that looks like it."""
    bound = template_bound(NOW, ())
    assert "'a'" not in "".join(bound.values())
    assert slot_value(Slot(1, "number", "1")) != slot_value(Slot(1, "string", "1"))
    assert len(slot_value(Slot(1, "string", "\udcff"))) == 64


def test_what_it_is_to_policy() -> None:
    """Its kind, groups and factor; as old as its making; and where it comes from."""
    given_then = replace(ACCESS, kind="access", mfa=True).approval(5_000_100)
    assert (given_then.kind, given_then.groups, given_then.mfa) == ("access", frozenset({"dba"}), True)
    assert (given_then.age_s, given_then.request, given_then.grant) == (5, "K3F9", "G-1")
    assert ACCESS.approval(0).age_s == 0
