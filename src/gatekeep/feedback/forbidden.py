"""The never-list: what no suggestion ever lets pass, however often people approved it.

Facts of deeds in, reasons in words out. It is part of the program: no suggestion and no setting
changes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from gatekeep.domain.suggestions import Check
from gatekeep.feedback import programs
from gatekeep.feedback.deeds import Deed
from gatekeep.feedback.naming import is_production
from gatekeep.policy import standing

ACTIONS: Final = frozenset({"sql.read", "sql.write", "ssh.exec", "ssh.line"})
"""The classes that may ever pass unasked; all others, known today or not, never."""
HARMLESS_TAGS: Final = frozenset(standing.HARMLESS_TAGS)
"""The tags that may ever pass unasked; all others, known today or not, never."""
_RESTARTED: Final = frozenset({"destructive", "privilege"})
_STRUCTURE: Final = frozenset({"sql.ddl", "sql.dcl"})
_UNREAD: Final = frozenset({"sql.opaque", "sql.procedural", "sql.copy", "sql.session", "ssh.opaque"})
_UNBOUND: Final = frozenset({"absent", "tautology", ""})
_ROWS: Final = frozenset({"UPDATE", "DELETE", "MERGE"})
_OWN: Final = re.compile(r"gatekeep", re.IGNORECASE)
_SURE: Final = frozenset({"", "exact", "attested"})

# What the tags call destroying and a right is, of one service that comes back by itself, what
# people are asked about most: exactly these words, a plain name, and nothing else. Whoever guards
# the machine, lets people in, keeps time, network, what others stand on, or data, is not among them.
_RESTART: Final = re.compile(r"systemctl (?:restart|reload) ([a-z0-9][a-z0-9_-]{0,63})(?:\.service)?")


def never(deeds: Sequence[Deed], *, prefix: str = "never: ") -> tuple[Check, ...]:
    """One check for each part of the never-list, over all deeds that something stands on."""
    deeds = faces(deeds)
    parts: tuple[tuple[str, Iterable[str], str], ...] = (
        ("tags", _tags(deeds), "no deed has a tag that always wants a person"),
        ("classes", _classes(deeds), "only reads, writes and single commands"),
        ("programs", _programs(deeds), "no program that always wants a person"),
        ("gatekeep itself", _own(deeds), "it does not touch gatekeep"),
        ("unbounded SQL", _unbounded(deeds), "no change of every row"),
        ("structure in production", _structure(deeds), "no structure and no rights are changed"),
        ("opaque", _opaque(deeds), "what it does could be read"),
    )
    found = []
    for name, reasons, fine in parts:
        said = sorted(set(reasons))
        found.append(Check(prefix + name, not said, "; ".join(said[:3]) or fine))
    return tuple(found)


def routine_restart(deed: Deed) -> bool:
    """Whether it restarts one named service that guards nothing, keeps no data and lets nobody in.

    And is nothing besides: a deed with any other tag that wants a person is none.
    """
    likeness = deed.likeness
    if likeness is None or likeness.slots or deed.action not in {"ssh.exec", "ssh.line"}:
        return False
    if deed.tags - HARMLESS_TAGS - _RESTARTED:
        return False
    found = _RESTART.fullmatch(likeness.template)
    return found is not None and not programs.guards(found[1])


def faces(deeds: Iterable[Deed]) -> Sequence[Deed]:
    """One deed for all that look alike here: journals share what repeats, so few are left."""
    found: dict[tuple[object, ...], Deed] = {}
    for deed in deeds:
        request = deed.request
        listed = request.get("statements") or request.get("commands")
        likeness = deed.likeness
        template = likeness.template if likeness is not None else None
        # of commands the values as well: they name what is read
        values = likeness.values if likeness is not None and deed.action.startswith("ssh.") else ()
        key = (
            id(listed), template, values, deed.tags, deed.action, deed.verb, deed.assurance, deed.surely,
            deed.where.target, deed.tables_read, deed.tables_written, request.get("resolved"),
        )  # fmt: skip
        found.setdefault(key, deed)
    return list(found.values())


def statements(deed: Deed) -> Sequence[Mapping[str, Any]]:
    """The statements or commands of a deed's request."""
    listed = deed.request.get("statements") or deed.request.get("commands") or ()
    return [one for one in listed if isinstance(one, Mapping)]


def where_clauses(deed: Deed) -> frozenset[str]:
    """How its statements restrict their rows; empty where that is not known."""
    return frozenset(str(one.get("where", "")) for one in statements(deed))


def bounded(deed: Deed) -> bool:
    """Whether every statement of it has a WHERE that restricts it, or every command only reads."""
    if deed.action.startswith("ssh."):
        return "reads_only" in deed.tags
    return where_clauses(deed) == {"present"}


def _tags(deeds: Sequence[Deed]) -> Iterator[str]:
    for deed in deeds:
        bad = deed.tags - HARMLESS_TAGS
        if routine_restart(deed):
            bad -= _RESTARTED
        for tag in bad:
            yield f"{tag} always wants a person"


def _classes(deeds: Sequence[Deed]) -> Iterator[str]:
    for deed in deeds:
        if deed.action not in ACTIONS:
            yield f"{deed.action or 'an unknown action'} is never let pass by a suggestion"
        if len(statements(deed)) > 1:
            yield "it is more than one statement or command"


def _programs(deeds: Sequence[Deed]) -> Iterator[str]:
    for deed in deeds:
        if not deed.action.startswith("ssh.") or "reads_only" in deed.tags or routine_restart(deed):
            continue
        reason = programs.why_never(deed.like, writes="writes" in deed.tags)
        if reason:
            yield reason


def _own(deeds: Sequence[Deed]) -> Iterator[str]:
    for deed in deeds:
        where, likeness = deed.where, deed.likeness
        names = (*deed.tables_read, *deed.tables_written, where.target, where.database)
        words = (likeness.template, *likeness.values) if likeness is not None else (deed.text,)
        if not where.target or any(map(_OWN.search, (*words, *names))):
            yield "it is about gatekeep itself"


def _unbounded(deeds: Sequence[Deed]) -> Iterator[str]:
    for deed in deeds:
        if deed.action == "sql.write" and deed.verb.upper() != "INSERT":
            clauses = where_clauses(deed)
            if not clauses or clauses & _UNBOUND or (deed.verb.upper() in _ROWS and clauses != {"present"}):
                yield f"{deed.verb} without a WHERE that restricts it"


def _structure(deeds: Sequence[Deed]) -> Iterator[str]:
    for deed in deeds:
        actions = {deed.action, *(str(one.get("action", "")) for one in statements(deed))}
        if actions & _STRUCTURE:
            place = "production" if is_production(deed.where.environment) else "any place"
            yield f"structure and rights in {place} always want a person"


def _opaque(deeds: Sequence[Deed]) -> Iterator[str]:
    for deed in deeds:
        unread = deed.action in _UNREAD or deed.assurance not in _SURE
        if deed.likeness is None or deed.likeness.template.startswith("exact:"):
            yield "it has no template, so nothing is like it"
        elif unread or not deed.surely:
            yield "it was not known for sure what ran"
        elif not _complete(deed):
            yield "not all that it touches is known"


def _complete(deed: Deed) -> bool:
    """Whether the request says of every statement or command that its facts are complete."""
    said = statements(deed)
    if not said:
        return False
    if "commands" in deed.request:
        return bool(deed.request.get("resolved", False)) and all(one.get("complete") for one in said)
    return all(one.get("tables_complete") and one.get("functions_complete") for one in said)
