"""Stories of bounds: what a condition becomes when facts are not known for sure."""

from __future__ import annotations

import json
from itertools import chain, combinations
from typing import Any

import cedarpy
from hypothesis import given, settings
from hypothesis import strategies as st

from gatekeep.policy.conditions import bounded, compared_with, reads

NAMES = ("a", "b", "c")


def _condition(text: str) -> Any:
    raw = json.loads(
        cedarpy.policies_to_json_str(f"permit (principal, action, resource) when {{ {text} }};")
    )
    return raw["staticPolicies"]["policy0"]["conditions"][0]["body"]


def _holds(condition: Any, context: dict[str, Any]) -> bool:
    policy = {
        "effect": "permit",
        "principal": {"op": "All"},
        "action": {"op": "All"},
        "resource": {"op": "All"},
        "conditions": [{"kind": "when", "body": condition}],
    }
    policies = cedarpy.PolicySet.from_json_str(
        json.dumps({"staticPolicies": {"x": policy}, "templates": {}, "templateLinks": []})
    )
    request = {"principal": 'P::"p"', "action": 'Action::"a"', "resource": 'R::"r"'}
    answer = cedarpy.is_authorized({**request, "context": context}, policies, [])
    assert not answer.diagnostics.errors
    return answer.allowed


_ATOMS = st.sampled_from(
    [
        'context.s.contains("a")',
        'context.s.containsAny(["a", "b"])',
        'context.s.containsAll(["a", "c"])',
        '["a", "b"].containsAll(context.s)',
        "context.s.isEmpty()",
        'context.s == ["a"]',
        'context.t.contains("a")',
        'context.v == "x"',
        "true",
    ]
)
_CONDITIONS = st.recursive(
    _ATOMS,
    lambda inner: st.one_of(
        st.builds("({} && {})".format, inner, inner),
        st.builds("({} || {})".format, inner, inner),
        st.builds("!({})".format, inner),
        st.builds("(if {} then {} else {})".format, inner, inner, inner),
    ),
    max_leaves=6,
)


def _supersets(known: set[str]) -> list[list[str]]:
    rest = [name for name in NAMES if name not in known]
    added = chain.from_iterable(combinations(rest, size) for size in range(len(rest) + 1))
    return [sorted({*known, *more}) for more in added]


@settings(max_examples=80, deadline=None)
@given(
    text=_CONDITIONS,
    known=st.sets(st.sampled_from(NAMES)),
    other=st.sets(st.sampled_from(NAMES)),
    value=st.sampled_from(["x", "y"]),
)
def test_bounds_hold_for_whatever_the_truth_is(
    text: str, known: set[str], other: set[str], value: str
) -> None:
    """The upper bound holds if any truth does, the lower bound only if every truth does.

    Of the set `s` only some members are known; a truth is any set that has those.
    """
    condition = _condition(text)
    base = {"t": sorted(other), "v": value}
    truths = [_holds(condition, {**base, "s": whole}) for whole in _supersets(known)]
    unknown = frozenset({"s"})
    context = {**base, "s": sorted(known)}
    if any(truths):
        assert _holds(bounded(condition, unknown, want=True), context)
    if not all(truths):
        assert not _holds(bounded(condition, unknown, want=False), context)


def test_what_is_known_stays_as_it_is() -> None:
    """Conditions on other attributes are untouched, word for word."""
    condition = _condition('context.v == "x" && context has approval')
    assert bounded(condition, frozenset({"s"}), want=True) is condition


def test_reads_finds_attributes_in_every_corner() -> None:
    """Method calls, records, has, and the context as one whole."""
    assert reads(_condition("context has approval.groups || context.a.b.c < 3")) == {
        "approval",
        "a",
    }
    assert reads(_condition('ip("10.0.0.0/8") == context.source || {"x": context.q} == {}')) == {
        "source",
        "q",
    }
    assert "*" in reads(_condition('context == {"a": 1}'))
    assert reads(_condition('"context" == "context.a"')) == frozenset()


def test_names_beside_a_set_are_found_on_either_side() -> None:
    """The lint of table names sees literals wherever they stand."""
    condition = _condition('context.s.contains("a") && ["b"].containsAll(context.s)')
    assert set(compared_with(condition, frozenset({"s"}))) == {("s", ("a",)), ("s", ("b",))}
