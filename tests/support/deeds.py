"""Evidence in a few words: deeds over SSH and of SQL, what people said of them, and the rules.

Everything has a sensible default, so that a test names only what it is about.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gatekeep.domain.decisions import Verdict
from gatekeep.domain.likeness import Likeness, LikeSlot
from gatekeep.domain.suggestions import DAY_US, Suggestion, SuggestionKind
from gatekeep.feedback.candidates import candidates, proposable
from gatekeep.feedback.deeds import Answer, Deed, Evidence, Passed, PassedKey, RuleUse, Where
from gatekeep.policy.loading import load
from gatekeep.policy.rules import PolicyVersion

TODAY = 20_500
"""The day on which suggestions are asked for (2026-02-16)."""
NOW_US = TODAY * DAY_US
MINUTE_US = 60_000_000

R7 = """
@id("r7") @title("systemctl in production needs an SRE")
permit (principal in Group::"sre", action == Action::"ssh.exec", resource in Environment::"prod")
when { context has approval && context.approval.groups.contains("leads") };
"""
WRITES = """
@id("prod-writes") @title("Writes in production need a DBA")
permit (principal in Group::"engineers", action == Action::"sql.write", resource in Environment::"prod")
when { context has approval && context.approval.groups.contains("dba") };
"""
READS = """
@id("prod-reads") @title("Reads in production need a DBA")
permit (principal in Group::"engineers", action == Action::"sql.read", resource in Environment::"prod")
when { context has approval && context.approval.groups.contains("dba") };
"""

WEB = {"web-1": frozenset({"role=web"}), "web-2": frozenset({"role=web"})}


def ago(days: float, minutes: float = 0) -> int:
    """So many days before today, in microseconds."""
    return int(NOW_US - days * DAY_US + minutes * MINUTE_US)


def at(name: str = "ann", /, **changes: Any) -> Where:
    """Somebody of sre, as deploy on web-1, a production target with the label role=web."""
    values: dict[str, Any] = {
        "principal": name,
        "person": name,
        "groups": frozenset({"sre"}),
        "owner": "",
        "target": "web-1",
        "kind": "ssh",
        "environment": "prod",
        "labels": frozenset({"role=web"}),
        "account": "deploy",
        "database": "",
    }
    return Where(**{**values, **changes})


def on_sql(name: str = "ann", /, **changes: Any) -> Where:
    """Somebody of engineers, as app_rw in the database shop of orders, a production target."""
    values: dict[str, Any] = {
        "groups": frozenset({"engineers"}),
        "target": "orders",
        "kind": "postgres",
        "labels": frozenset({"shop"}),
        "account": "app_rw",
        "database": "shop",
    }
    return at(name, **{**values, **changes})


def command(text: str, where: Where | None = None, **changes: Any) -> Deed:
    """A command that r7 asked about and bob approved after 6 min 40 s, a day ago."""
    tags = changes.pop("tags", frozenset())
    request = {
        "assurance": "exact",
        "commands": [{"action": "ssh.exec", "complete": True, "program": text.split(maxsplit=1)[0]}],
        "mode": "exec",
        "resolved": True,
    }
    values: dict[str, Any] = {
        "n": 0,
        "at_us": ago(1),
        "where": where or at(),
        "action": "ssh.exec",
        "verb": text.split(maxsplit=1)[0],
        "text": text,
        "tags": tags,
        "assurance": "exact",
        "surely": True,
        "likeness": Likeness(text),
        "tables_read": (),
        "tables_written": (),
        "request": request,
        "verdict": Verdict.ASK,
        "rules": ("r7",),
        "policy": "0" * 12,
        "answer": Answer.APPROVED,
        "approvers": ("bob",),
    }
    return _timed({**values, **changes})


def statement(
    template: str, values: Sequence[str | LikeSlot] = (), where: Where | None = None, **changes: Any
) -> Deed:
    """A statement in our normal form that asked, with the values of its slots, approved by bob.

    A value alone is a number, or a text where it begins with a quote.
    """
    verb = template.split(maxsplit=1)[0].upper()
    clause = changes.pop("clause", "present" if " where " in template else "absent")
    action = changes.pop("action", "sql.read" if verb == "SELECT" else "sql.write")
    slots = tuple(one if isinstance(one, LikeSlot) else slot(one) for one in values)
    text = template
    for number, one in enumerate(slots, 1):
        text = text.replace(f"${number}:{one.type}", one.value)
    table = changes.pop("table", "public.orders")
    written = action != "sql.read"
    made: dict[str, Any] = {
        "where": where or on_sql(),
        "action": action,
        "verb": verb,
        "likeness": Likeness(template, slots),
        "tables_read": () if written else (table,),
        "tables_written": (table,) if written else (),
        "request": {
            "mode": "simple",
            "statements": [
                {
                    "action": action, "where": clause, "verb": verb, "tables_complete": True,
                    "columns_complete": True, "functions_complete": True,
                }
            ],
        },
        "rules": ("prod-writes",) if written else ("prod-reads",),
    }  # fmt: skip
    return command(text, **{**made, **changes})


def slot(value: str, *, sensitive: bool = False) -> LikeSlot:
    """A number, a quoted text, or a path."""
    kind = "text" if value[:1] == "'" else "path" if value[:1] == "/" else "int"
    return LikeSlot(kind, value, sensitive)


def _timed(values: dict[str, Any]) -> Deed:
    """With the times of asking and of the answer: 6 min 40 s apart, when the deed was."""
    wait = values.pop("wait_s", 400)
    answered = values["at_us"]
    values.setdefault("answered_us", answered)
    values.setdefault("asked_us", answered - wait * 1_000_000)
    return Deed(**values)


def denied(deed: Deed, **changes: Any) -> Deed:
    """The same, but people said no."""
    return replace(deed, **{"answer": Answer.DENIED, "approvers": (), **changes})


PERSONS = ("ann", "ben", "cy", "dee", "eve", "fay")
APPROVERS = ("bob", "dan", "gus", "hal")


def often(
    deed: Deed, count: int, *, days: int = 23, persons: Sequence[str] = PERSONS,
    approvers: Sequence[str] = APPROVERS, targets: Sequence[str] = (), since: float = 89,
) -> list[Deed]:
    """So many of a deed on so many days, by persons and approvers in turn, from `since` days ago.

    No person does it twice a day as long as there are persons enough.
    """  # fmt: skip
    made = []
    step = since / max(days - 1, 1)
    for number in range(count):
        day = number % days
        lap = number // days
        person = persons[(day + lap) % len(persons)]
        where = replace(deed.where, principal=person, person=person)
        if targets:
            name = targets[number % len(targets)]
            where = replace(where, target=name, labels=WEB.get(name, where.labels))
        made.append(
            moved(
                deed, ago(since - day * step + 0.5 - 1e-3 * lap), where=where,
                approvers=(approvers[number % len(approvers)],),
            )
        )
    return made  # fmt: skip


def moved(deed: Deed, at_us: int, **changes: Any) -> Deed:
    """The same at another time, its asking and answer as far apart as before."""
    wait = deed.answered_us - deed.asked_us
    return replace(deed, at_us=at_us, answered_us=at_us, asked_us=at_us - wait, **changes)


@dataclass
class History:
    """What happened, put together bit by bit; `suggest` asks what comes of it."""

    rules: str = R7 + WRITES + READS
    since_days: float = 200
    deeds: list[Deed] = field(default_factory=list)
    passed: dict[PassedKey, Passed] = field(default_factory=dict)
    uses: dict[str, RuleUse] = field(default_factory=dict)
    verified: bool = True
    first_days: float = 90

    def add(self, deeds: Deed | Iterable[Deed]) -> History:
        """One deed or several more."""
        self.deeds += [deeds] if isinstance(deeds, Deed) else list(deeds)
        return self

    def let_pass(self, *passed: tuple[PassedKey, Passed]) -> History:
        """Of what passed unasked, some more."""
        self.passed |= dict(passed)
        return self

    def evidence(self) -> Evidence:
        """All of it, numbered in the order of time."""
        ordered = sorted(self.deeds, key=lambda one: one.at_us)
        numbered = [
            replace(one, n=number) if one.n == 0 else one
            for number, one in zip(itertools.count(100), ordered, strict=False)
        ]
        since = ago(self.since_days)
        uses: dict[str, RuleUse] = {}
        for rule in self.version().rules:
            seen = [one.at_us for one in numbered if rule.id in one.rules]
            seen += [one.last_us for key, one in self.passed.items() if key.rule == rule.id]
            uses[rule.id] = RuleUse(len(seen), max(seen, default=0), since)
        return Evidence(
            numbered, self.passed, {**uses, **self.uses}, (), ago(self.first_days), NOW_US,
            100 + len(numbered), self.verified,
        )  # fmt: skip

    def version(self) -> PolicyVersion:
        """The rules, loaded."""
        return load({"rules.cedar": self.rules})

    def all(self, kind: SuggestionKind | None = None) -> list[Suggestion]:
        """Every candidate, of one kind if it is named."""
        found = candidates(self.evidence(), self.version(), NOW_US)
        return [one for one in found if kind in (None, one.kind)]

    def suggest(self, kind: SuggestionKind | None = SuggestionKind.RELAX) -> list[Suggestion]:
        """What may be proposed, of one kind (None: of all)."""
        return [one for one in self.all(kind) if proposable(one)]


def failed(suggestion: Suggestion) -> set[str]:
    """The names of the checks that did not pass."""
    return {one.name for one in suggestion.checks if not one.passed}


def refused(deeds: Iterable[Deed]) -> list[Deed]:
    """The same, denied by rule: nobody was asked."""
    return [
        replace(one, verdict=Verdict.DENY, answer=Answer.NONE, approvers=(), asked_us=0,
                answered_us=0)
        for one in deeds
    ]  # fmt: skip


def unasked(
    rule: str, like: Deed, person: str, groups: frozenset[str], count: int
) -> tuple[PassedKey, Passed]:
    """So many of a deed that a rule let pass, up to yesterday."""
    template = like.likeness.template if like.likeness is not None else ""
    key = PassedKey(
        rule, like.action, like.verb, template, like.where.target, like.where.environment, person,
        groups,
    )  # fmt: skip
    return key, Passed(
        count, ago(80), ago(1), events=[1, 2, 3], tags=like.tags, text=like.text,
        request=like.request,
    )  # fmt: skip
