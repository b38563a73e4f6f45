"""Reads and rewrites the conditions of a rule in Cedar's JSON form (its "EST").

Answers what a condition reads, whether it uses approval only in helping places, and what it
becomes when some facts are not known for sure. Nothing here evaluates anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

_CONTAINS: Final = frozenset({"contains", "containsAny", "containsAll"})
_GROUP: Final = re.compile(r"[a-z0-9][a-z0-9._-]*(:([2-9]|[1-9][0-9]))?")

_APPROVAL: Final = {".": {"left": {"Var": "context"}, "attr": "approval"}}

ANYTHING: Final = "*"
"""What `reads` answers for a condition that uses the context as one whole."""


def reads(node: Any) -> frozenset[str]:
    """Names of the context attributes under `node`; ANYTHING if the whole context is used."""
    return frozenset(_reads(node))


def _reads(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for one in node:
            yield from _reads(one)
    if not isinstance(node, dict):
        return
    attribute = _context_attribute(node)
    if attribute:
        yield attribute
    elif node.get("Var") == "context":
        yield ANYTHING
    elif "Value" not in node:
        for child in node.values():
            yield from _reads(child)


def _context_attribute(node: Any) -> str:
    """`a` for `context.a` and `context has a`, else nothing."""
    if not isinstance(node, dict):
        return ""
    access = node.get(".") or node.get("has")
    if isinstance(access, dict) and access["left"] == {"Var": "context"}:
        return str(access["attr"])
    return ""


def literals(node: Any) -> list[str] | None:
    """The strings of a literal or a set of literals; None when it is something else."""
    if not isinstance(node, dict):
        return None
    if isinstance(node.get("Value"), str):
        return [node["Value"]]
    if isinstance(node.get("Set"), list):
        found = [literals(one) for one in node["Set"]]
        return [one[0] for one in found if one] if all(found) else None
    return None


def compared_with(
    node: Any, attributes: frozenset[str]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each (attribute, strings) of an operation that sets `context.<attribute>` beside literals."""
    if isinstance(node, list):
        for one in node:
            yield from compared_with(one, attributes)
    if not isinstance(node, dict):
        return
    for body in node.values():
        if isinstance(body, dict) and "left" in body and "right" in body:
            for one, other in ((body["left"], body["right"]), (body["right"], body["left"])):
                attribute = _plain_attribute(one)
                if attribute in attributes:
                    yield attribute, tuple(literals(other) or ())
        yield from compared_with(body, attributes)


def demanded(est: Mapping[str, Any], attribute: str) -> list[str]:
    """The strings that `context.<attribute>` must equal, as a set, for a rule to match.

    Empty where it does not demand any by `==` in the outermost `&&` of a `when`.
    """
    for clause in est["conditions"]:
        if clause["kind"] != "when":
            continue
        for part in _conjuncts(clause["body"]):
            body = part.get("==") if isinstance(part, dict) else None
            if body and _plain_attribute(body["left"]) == attribute and "Set" in body["right"]:
                return literals(body["right"]) or []
    return []


def _conjuncts(node: Any) -> Iterator[Any]:
    """The operands below `&&`."""
    found, waiting = [], [node]
    while waiting:
        one = waiting.pop()
        body = one.get("&&") if isinstance(one, dict) else None
        if body:
            waiting += [body["right"], body["left"]]
        else:
            found.append(one)
    return iter(found)


def _plain_attribute(node: Any) -> str:
    return _context_attribute(node) if isinstance(node, dict) and "." in node else ""


# --- facts that are not known for sure -------------------------------------------------------


def bounded(node: Any, unknown: frozenset[str], *, want: bool) -> Any:
    """`node` with every part that turns on an `unknown` attribute replaced by a safe bound.

    With `want` true the result is true whenever `node` could be true (an upper bound), with
    false it is true only if `node` surely is (a lower bound). Known members of a set stay
    known, so `set.contains(…)` holds as its own lower bound.
    """
    if reads(node).isdisjoint(unknown):
        return node
    operator, body = next(iter(node.items()))
    if operator in ("&&", "||"):
        return {
            operator: {
                "left": bounded(body["left"], unknown, want=want),
                "right": bounded(body["right"], unknown, want=want),
            }
        }
    if operator == "!":
        return {"!": {"arg": bounded(body["arg"], unknown, want=not want)}}
    if operator == "if-then-else" and reads(body["if"]).isdisjoint(unknown):
        return {
            operator: {
                "if": body["if"],
                "then": bounded(body["then"], unknown, want=want),
                "else": bounded(body["else"], unknown, want=want),
            }
        }
    if not want and operator in _CONTAINS and _grows(body, unknown):
        return node
    return {"Value": want}


def _grows(body: Mapping[str, Any], unknown: frozenset[str]) -> bool:
    return bool(_plain_attribute(body["left"])) and reads(body["right"]).isdisjoint(unknown)


def bounded_rule(est: Mapping[str, Any], unknown: frozenset[str], *, widen: bool) -> dict[str, Any]:
    """A whole rule that matches whenever it could (`widen`), or only when it surely does."""
    conditions = [
        {
            "kind": one["kind"],
            "body": bounded(one["body"], unknown, want=(one["kind"] == "when") == widen),
        }
        for one in est["conditions"]
    ]
    return {**est, "conditions": conditions}


# --- approval may only ever help -------------------------------------------------------------


def approval_misuse(est: Mapping[str, Any]) -> str:
    """What is wrong with the way a rule reads `context.approval`; empty if nothing is."""
    helping = "when" if est["effect"] == "permit" else "unless"
    groups = 0
    for clause in est["conditions"]:
        if "approval" not in reads(clause["body"]):
            continue
        if clause["kind"] != helping:
            return f"reads approval in the '{clause['kind']}' of a {est['effect']}"
        for part in _parts(clause["body"]):
            if "approval" not in reads(part):
                continue
            named = approver_groups(part)
            groups += len(named)
            bad = [name for name in named if not _GROUP.fullmatch(name)]
            if bad:
                return f'names approvers as "{bad[0]}"'
            if not named and not _helps(part):
                return "uses approval negated, or in a comparison that could make it harm"
    if groups == 0:
        return "needs approval and names no group that could give it"
    return ""


def approver_groups(node: Any) -> list[str]:
    """The groups of one `context.approval.groups.contains…(…)`; empty for anything else."""
    if not isinstance(node, dict):
        return []
    for operator in _CONTAINS:
        body = node.get(operator)
        if isinstance(body, dict) and body["left"] == _approval("groups"):
            return literals(body["right"]) or []
    return []


def all_approver_groups(est: Mapping[str, Any]) -> frozenset[str]:
    """Every group that a rule accepts approval from, as written (`dba`, `dba:2`)."""
    return frozenset(
        name
        for clause in est["conditions"]
        for part in _parts(clause["body"])
        for name in approver_groups(part)
    )


def _parts(node: Any) -> Iterator[Any]:
    """The operands below `&&` and `||`."""
    body = node.get("&&") or node.get("||") if isinstance(node, dict) else None
    if not body:
        yield node
        return
    yield from _parts(body["left"])
    yield from _parts(body["right"])


def _approval(attribute: str) -> dict[str, Any]:
    return {".": {"left": _APPROVAL, "attr": attribute}}


def _helps(part: Any) -> bool:
    """Whether a test that is not about groups can only be made true by more approval."""
    operator, body = next(iter(part.items()))
    if operator == "has":
        return _context_attribute(part) == "approval" or body["left"] == _APPROVAL
    if part == _approval("mfa"):
        return True
    if not isinstance(body, dict) or "right" not in body:
        return False
    left, right = body["left"], body["right"]
    if operator in ("<", "<="):
        return left == _approval("age_s") and isinstance(right.get("Value"), int)
    kind = left == _approval("kind") and isinstance(right.get("Value"), str)
    return operator == "==" and (kind or (left == _approval("mfa") and right == {"Value": True}))
