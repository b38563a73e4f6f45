"""What the engine finds: Cedar's answer to one question, and what is kept for one principal and target.

Values and their small sums; what is asked, and in what order, is the engine's affair.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import cedarpy

from gatekeep.domain.identity import Principal
from gatekeep.domain.targets import Target
from gatekeep.policy.rules import Rule


@dataclass(frozen=True, slots=True)
class Finding:
    """Cedar's answer to one question. `rules` are the determining ones, in file order."""

    allowed: bool
    rules: tuple[Rule, ...] = ()
    errors: tuple[str, ...] = ()


@dataclass(slots=True)
class Standing:
    """One principal before one target: parsed entities, and the rules whose heads fit.

    Groups and labels are fixed here; make a new one when they change.
    """

    principal: Principal
    target: Target | None
    handle: cedarpy.Entities
    slices: dict[str, tuple[Rule, ...]] = field(default_factory=dict)
    sets: dict[tuple[str, frozenset[str], bool], cedarpy.PolicySet] = field(default_factory=dict)
    leave: Standing | None = None
    """The same for standing rules, whose heads are others."""


def policy_set(rules: Mapping[str, Mapping[str, Any]]) -> cedarpy.PolicySet:
    """Rules by id, in Cedar's JSON form, parsed."""
    return cedarpy.PolicySet.from_json_str(
        json.dumps({"staticPolicies": rules, "templates": {}, "templateLinks": []})
    )


def union(found: Iterable[Finding]) -> tuple[Rule, ...]:
    """The determining rules of all of them, each once."""
    return tuple(dict.fromkeys(rule for one in found for rule in one.rules))


def errors_of(found: Iterable[Finding]) -> tuple[str, ...]:
    """The errors of all of them, each once."""
    return tuple(dict.fromkeys(error for one in found for error in one.errors))
