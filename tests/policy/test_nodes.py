"""Stories of built conditions: their text means the very nodes that they were made from."""

from __future__ import annotations

import json
from typing import Any

import cedarpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatekeep.policy import nodes

HOSTILE = st.text(
    st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from('"\\\n\r\t\0*\'\u2028\u202e{}')), max_size=12
)  # fmt: skip
SETS = st.lists(HOSTILE, min_size=1, max_size=3)
S = nodes.context("s")
NODES = st.one_of(
    HOSTILE.map(lambda text: nodes.equals(S, text)),
    HOSTILE.map(lambda text: nodes.begins(S, text)),
    HOSTILE.map(lambda text: nodes.no(nodes.begins(S, text))),
    HOSTILE.map(lambda text: nodes.inside("Label", text)),
    HOSTILE.map(lambda text: nodes.equals(nodes.context("account"), nodes.holds("Account", text))),
    SETS.map(lambda texts: nodes.is_among(S, texts)),
    SETS.map(lambda texts: nodes.has_any(S, texts)),
    SETS.map(lambda texts: nodes.has_all(S, texts)),
    SETS.map(lambda texts: nodes.same_set(S, texts)),
    SETS.map(lambda texts: nodes.is_entity_among("Target", texts)),
    st.integers(-(2**63), 2**63 - 1).map(lambda number: nodes.less(S, number)),
    st.just(nodes.there("s")),
    st.just(nodes.same_set(S, [])),
    st.just(S),
)


def read(text: str) -> Any:
    """What Cedar makes of a condition."""
    raw = json.loads(
        cedarpy.policies_to_json_str(f"permit (principal, action, resource) when {{ {text} }};")
    )
    return raw["staticPolicies"]["policy0"]["conditions"][0]["body"]


@given(st.lists(NODES, min_size=1, max_size=5))
@settings(max_examples=300, deadline=None)
def test_text_means_its_nodes(parts: list[nodes.Node]) -> None:
    """Whatever the strings hold, and in whatever order they stand."""
    node = nodes.all_of(parts)
    assert read(nodes.written(node)) == node
    assert nodes.conjuncts(node) == parts


def test_what_has_no_text_is_not_written() -> None:
    """A node of another kind could come out as something wider."""
    with pytest.raises(ValueError, match="is not written"):
        nodes.written({"||": {"left": S, "right": S}})


def test_what_does_not_show_is_written_by_number() -> None:
    """So that nobody reads a rule otherwise than it is."""
    assert nodes.quoted('a"\\\n\u202e\u00a0*') == '"a\\"\\\\\\n\\u{202e}\\u{a0}*"'
