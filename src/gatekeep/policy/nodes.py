"""Conditions that are built, as nodes of Cedar's JSON form, and how they are written. No meaning here.

Whoever writes a rule so reads it back: the text must mean the very nodes that it was made from.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from typing import Any, Final

Node = dict[str, Any]

_SHOWN: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}


def context(attribute: str) -> Node:
    """`context.attribute`."""
    return {".": {"left": {"Var": "context"}, "attr": attribute}}


def there(attribute: str) -> Node:
    """`context has attribute`."""
    return {"has": {"left": {"Var": "context"}, "attr": attribute}}


def entity(kind: str, name: str) -> Node:
    """An entity, as the head of a rule names it."""
    return {"type": kind, "id": name}


def holds(kind: str, name: str) -> Node:
    """An entity, as a condition names it."""
    return {"Value": {"__entity": entity(kind, name)}}


def inside(kind: str, name: str) -> Node:
    """`resource in kind::"name"`."""
    return {"in": {"left": {"Var": "resource"}, "right": holds(kind, name)}}


def is_entity_among(kind: str, names: Iterable[str]) -> Node:
    """`[kind::"name", …].contains(resource)`; `resource == kind::"name"` for one."""
    known = [holds(kind, name) for name in sorted(set(names))]
    if len(known) == 1:
        return equals({"Var": "resource"}, known[0])
    return {"contains": {"left": {"Set": known}, "right": {"Var": "resource"}}}


def equals(left: Node, right: Node | str) -> Node:
    """`left == right`."""
    return {"==": {"left": left, "right": {"Value": right} if isinstance(right, str) else right}}


def less(left: Node, right: int) -> Node:
    """`left < right`."""
    return {"<": {"left": left, "right": {"Value": right}}}


def no(node: Node) -> Node:
    """`!node`."""
    return {"!": {"arg": node}}


def is_among(left: Node, values: Iterable[str]) -> Node:
    """`["value", …].contains(left)`; `left == "value"` for one."""
    known = sorted(set(values))
    if len(known) == 1:
        return equals(left, known[0])
    return {"contains": {"left": _strings(known), "right": left}}


def has_any(left: Node, values: Iterable[str]) -> Node:
    """`left.containsAny(["value", …])`; `left.contains("value")` for one."""
    known = sorted(set(values))
    if len(known) == 1:
        return {"contains": {"left": left, "right": {"Value": known[0]}}}
    return {"containsAny": {"left": left, "right": _strings(values)}}


def has_all(left: Node, values: Iterable[str]) -> Node:
    """`left.containsAll(["value", …])`."""
    return {"containsAll": {"left": left, "right": _strings(values)}}


def all_within(left: Node, values: Iterable[str]) -> Node:
    """`["value", …].containsAll(left)`: it holds nothing but these."""
    return {"containsAll": {"left": _strings(values), "right": left}}


def same_set(left: Node, values: Sequence[str]) -> Node:
    """`left == ["value", …]`; `left.isEmpty()` for none, as Cedar has no empty literal."""
    return equals(left, _strings(values)) if values else {"isEmpty": {"arg": left}}


def given(left: Node, pattern: list[Any]) -> Node:
    """`left like pattern`, the pattern as a list of `Wildcard` and literals."""
    return {"like": {"left": left, "pattern": pattern}}


def begins(left: Node, prefix: str) -> Node:
    """`left like "prefix*"`; a star in the prefix is only a star."""
    return given(left, [*({"Literal": one} for one in prefix), "Wildcard"])


def all_of(nodes: Iterable[Node]) -> Node:
    """`a && b && …`, as Cedar reads it: from the left. Raises TypeError for none."""
    return reduce(lambda left, right: {"&&": {"left": left, "right": right}}, nodes)


def written(node: Node) -> str:
    """A condition as text, each part of an `&&` on a line. Raises ValueError for other nodes."""
    return " &&\n  ".join(_text(part) for part in conjuncts(node))


def conjuncts(node: Node) -> list[Node]:
    """The parts of `a && b && …`."""
    found: list[Node] = []
    while "&&" in node:
        found.append(node["&&"]["right"])
        node = node["&&"]["left"]
    return [node, *reversed(found)]


def quoted(text: str) -> str:
    """A string of Cedar: only what is printable ASCII, or prints and is no blank, stands as it is."""
    return f'"{"".join(map(_shown, text))}"'


def uid(one: Node) -> str:
    """`Kind::"name"`."""
    return f"{one['type']}::{quoted(one['id'])}"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return uid(value["__entity"])
    return quoted(value) if isinstance(value, str) else json.dumps(value)


def _text(node: Node) -> str:
    operator, body = next(iter(node.items()))
    write = _WRITERS.get(operator)
    if write is None:
        raise ValueError(f"{operator} is not written here")
    return write(body)


def _between(operator: str) -> Callable[[Any], str]:
    return lambda body: f"{_text(body['left'])} {operator} {_text(body['right'])}"


def _call(name: str) -> Callable[[Any], str]:
    return lambda body: f"{_text(body['left'])}.{name}({_text(body['right'])})"


_WRITERS: Final[dict[str, Callable[[Any], str]]] = {
    **{operator: _between(operator) for operator in ("==", "<", "in")},
    **{name: _call(name) for name in ("contains", "containsAny", "containsAll")},
    "isEmpty": lambda body: f"{_text(body['arg'])}.isEmpty()",
    "!": lambda body: f"!({_text(body['arg'])})",
    ".": lambda body: f"{_text(body['left'])}.{body['attr']}",
    "has": lambda body: f"{_text(body['left'])} has {body['attr']}",
    "like": lambda body: f"{_text(body['left'])} like {_pattern(body['pattern'])}",
    "Set": lambda body: f"[{', '.join(map(_text, body))}]",
    "Value": _value,
    "Var": str,
}


def _pattern(parts: Sequence[Any]) -> str:
    inside_it = "".join(
        "*" if one == "Wildcard" else _shown(one["Literal"], star="\\*") for one in parts
    )
    return f'"{inside_it}"'


def _shown(char: str, star: str = "*") -> str:
    if char == "*":
        return star
    if char in _SHOWN:
        return _SHOWN[char]
    return char if char.isprintable() else f"\\u{{{ord(char):x}}}"


def _strings(values: Iterable[str]) -> Node:
    return {"Set": [{"Value": value} for value in sorted(set(values))]}
