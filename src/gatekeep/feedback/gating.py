"""What people deny in one group and another does unasked: suggestions to ask about it there, too.

A class is one template over SSH; of SQL a verb on the same tables, or on every row of any.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from gatekeep.domain.decisions import Verdict
from gatekeep.domain.suggestions import (
    Check,
    EvidenceVector,
    Suggestion,
    SuggestionKind,
    SuggestionScope,
)
from gatekeep.feedback import advising, forbidden, naming, scoring
from gatekeep.feedback.deeds import Answer, Deed, Passed, PassedKey
from gatekeep.feedback.ground import WINDOW_US, Ground, head_group

LEAST_DENIALS: Final = 3
LEAST_SHARE: Final = 0.1
"""So many denials, and so much of what people looked at, make a class worth asking about."""
LEAST_PASSED: Final = 5
"""So often it must have passed unasked elsewhere."""
EVERY_ROW: Final = ("absent", "tautology")
"""The kinds of WHERE that restrict nothing."""
_MOST_NAMED: Final = 5
_DECIDED: Final = frozenset({Answer.APPROVED, Answer.DENIED})


class Class(NamedTuple):
    """What is alike for asking: a template, or tables, or `every_row` of any table."""

    action: str
    environment: str
    verb: str
    template: str = ""
    tables_read: tuple[str, ...] = ()
    tables_written: tuple[str, ...] = ()
    every_row: bool = False

    @property
    def said(self) -> bool:
        """Whether it says what it is about."""
        return bool(self.template or self.tables_read or self.tables_written or self.every_row)

    @property
    def words(self) -> str:
        """What it is, for people."""
        if self.every_row:
            return f"{self.verb} of every row"
        if self.template:
            return f"`{naming.cut(self.template)}`"
        return f"{self.verb} on {advising.shown(self.tables_written or self.tables_read)}"


@dataclass(slots=True)
class _Unasked:
    """What passed unasked of one class, by one rule."""

    count: int = 0
    persons: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    groups: list[frozenset[str]] = field(default_factory=list)
    targets: set[str] = field(default_factory=set)
    events: list[int] = field(default_factory=list)


def gates(ground: Ground) -> Iterator[Suggestion]:
    """Every suggestion to ask where nobody is asked, in no order."""
    denied: Counter[Class] = Counter(_class_of(deed) for deed in ground.deeds if _denied(deed))
    bad = {one for one, count in denied.items() if count >= LEAST_DENIALS and one.said}
    reviewed: dict[Class, list[Deed]] = defaultdict(list)
    verbs = {(one.action, one.verb) for one in bad}
    for deed in ground.deeds:
        if (deed.action, deed.verb) in verbs and _decided(deed) and (one := _class_of(deed)) in bad:
            reviewed[one].append(deed)
    for (one, rule), unasked in _passed(ground, bad).items():
        if unasked.count >= LEAST_PASSED:
            yield _gate(ground, one, rule, (reviewed[one], unasked))


def _class_of(deed: Deed) -> Class:
    about = (deed.action, deed.where.environment, deed.verb, deed.template)
    return _class(about, forbidden.statements(deed), deed.tables_read, deed.tables_written)


def _class_passed(key: PassedKey, passed: Passed) -> Class:
    listed = [one for one in passed.request.get("statements") or () if isinstance(one, Mapping)]
    read, written = _tables(listed, "tables_read"), _tables(listed, "tables_written")
    return _class((key.action, key.environment, key.verb, key.template), listed, read, written)


def _tables(statements: Sequence[Mapping[str, object]], name: str) -> tuple[str, ...]:
    found: set[str] = set()
    for one in statements:
        listed = one.get(name)
        found |= set(map(str, listed)) if isinstance(listed, (list, tuple)) else set()
    return tuple(sorted(found))


def _class(
    about: tuple[str, str, str, str],
    statements: Sequence[Mapping[str, object]],
    read: Sequence[str],
    changed: Sequence[str],
) -> Class:
    action, environment, verb, template = about
    if not action.startswith("sql."):
        return Class(action, environment, verb, template)
    if action == "sql.write" and any(one.get("where") in EVERY_ROW for one in statements):
        return Class(action, environment, verb, every_row=True)
    tables = tuple(sorted(read)), tuple(sorted(changed))
    return Class(action, environment, verb, "", *tables)


def _passed(ground: Ground, wanted: set[Class]) -> Mapping[tuple[Class, str], _Unasked]:
    """What passed unasked of these classes, by class and rule."""
    found: dict[tuple[Class, str], _Unasked] = defaultdict(_Unasked)
    for key, passed in ground.evidence.passed.items():
        one = _class_passed(key, passed)
        if one not in wanted:
            continue
        if passed.last_us < ground.now_us - WINDOW_US or key.rule not in ground.rules:
            continue
        unasked = found[one, key.rule]
        unasked.count += passed.count
        unasked.persons[key.person] += passed.count
        unasked.groups.append(key.groups)
        unasked.targets.add(key.target)
        unasked.events += passed.events
    return found


def _decided(deed: Deed) -> bool:
    return deed.verdict is Verdict.ASK and deed.answer in _DECIDED


def _denied(deed: Deed) -> bool:
    return deed.verdict is Verdict.ASK and deed.answer is Answer.DENIED


def _gate(
    ground: Ground, one: Class, rule: str, found: tuple[Sequence[Deed], _Unasked]
) -> Suggestion:
    deeds, unasked = found
    no = sum(map(_denied, deeds))
    group = head_group(ground.rules[rule]) or advising.shared_group(ground, unasked.groups)
    asks = _asked_before(ground, deeds) or advising.whom_to_ask(ground, one.action, one.environment)
    scope = SuggestionScope(
        group=group, action=one.action, environment=one.environment, targets=(), account="",
        templates=(one.template,) if one.template else (), verb=one.verb,
        tables_read=one.tables_read, tables_written=one.tables_written,
        where=EVERY_ROW if one.every_row else (),
    )  # fmt: skip
    share = scoring.wilson(no, len(deeds))
    advice = advising.Advice(
        kind=SuggestionKind.GATE,
        title=f"Ask {advising.shown(asks) or 'somebody'} before {group or 'anybody'} runs {one.words}"
        f" on {naming.where_of(scope)}",
        text=f"People denied {no} of {len(deeds)} they looked at; {unasked.count} of the same class"
        f" passed unasked by rule {rule}, and would have waited: {_per_person(unasked)}.",
        scope=scope,
        rules=(rule,),
        events=[*(deed.n for deed in deeds), *unasked.events],
        checks=(
            advising.least("denials", no, LEAST_DENIALS, "denials by people"),
            Check("share denied", no >= LEAST_SHARE * len(deeds),
                  f"{no} of {len(deeds)} were denied (at least {LEAST_SHARE:.0%})"),
            advising.least("unasked", unasked.count, LEAST_PASSED, "passed unasked"),
            Check("group seen", bool(group), f"for group {group}" if group
                  else "those who did it share no group"),
            Check("somebody to ask", bool(asks), f"asks {advising.shown(asks)}" if asks
                  else "no rule says whom to ask about such actions"),
        ),
        vector=EvidenceVector(
            asked=len(deeds), approved=len(deeds) - no, denied=no,
            persons=tuple(sorted(unasked.persons)), wilson=share,
            first_us=min(deed.at_us for deed in deeds), last_us=max(deed.at_us for deed in deeds),
        ),
        score=share * unasked.count / ground.weeks(),
        asks=asks,
    )  # fmt: skip
    return advising.advise(ground, advice)


def _asked_before(ground: Ground, deeds: Sequence[Deed]) -> tuple[str, ...]:
    """The groups that were asked about this class: those that the rules name which asked."""
    names = {name for deed in deeds for name in deed.rules if name in ground.rules}
    return tuple(sorted({group for name in names for group in ground.rules[name].approvers}))


def _per_person(unasked: _Unasked) -> str:
    order = sorted(unasked.persons, key=lambda name: (-unasked.persons[name], name))
    return naming.listed([f"{name} {unasked.persons[name]}" for name in order[:_MOST_NAMED]])
