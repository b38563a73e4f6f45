"""What a simulated organisation is made of: people, targets, rules, and work whose truth is known.

Data and small readings of it; what happens in it day by day is `days`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from gatekeep.domain.catalogue import CatalogueView, RelationFacts
from gatekeep.domain.identity import Principal
from gatekeep.domain.targets import Account, Target, TargetKind

_PLACE: Final = re.compile(r"\{(\w+)\}")
_MOST_TEXTS: Final = 48


@dataclass(frozen=True, slots=True)
class Work:
    """One kind of deed: who does it where, what it says, and whether it is wanted.

    `text` holds `{name}` for each of `values`; every text that can be made of it has the same truth,
    on every one of `targets`. `a_week` is how often it comes up in the whole organisation.
    """

    name: str
    groups: tuple[str, ...]
    targets: tuple[str, ...]
    account: str
    text: str
    wanted: bool = True
    a_week: float = 0.0
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    database: str = ""

    def drawn(self, random: Random) -> str:
        """One of its texts."""
        return _PLACE.sub(lambda found: random.choice(self.values[found[1]]), self.text)

    def texts(self) -> Iterator[str]:
        """All of its texts, or as many of them as tell enough: each value stands in one at least."""
        names = list(dict.fromkeys(_PLACE.findall(self.text)))
        pools = [self.values[name] for name in names]
        every = 1
        for pool in pools:
            every *= len(pool)
        if every <= _MOST_TEXTS:
            chosen: Iterator[tuple[str, ...]] = itertools.product(*pools)
        else:
            longest = max(len(pool) for pool in pools)
            chosen = (
                tuple(pool[at % len(pool)] for pool in pools)
                for at in range(min(longest, _MOST_TEXTS))
            )
        for values in chosen:
            held = dict(zip(names, values, strict=True))
            yield _PLACE.sub(lambda found, held=held: held[found[1]], self.text)


@dataclass(frozen=True, slots=True)
class Desk:
    """Where the people of some groups work, and as whom; called, it makes a kind of their work."""

    groups: tuple[str, ...]
    targets: tuple[str, ...]
    account: str
    database: str = ""

    def __call__(
        self, name: str, text: str, a_week: float = 0.0, *, wanted: bool = True,
        **values: tuple[str, ...],
    ) -> Work:  # fmt: skip
        """Work of that name; `values` are what its text may hold."""
        return Work(
            name, self.groups, self.targets, self.account, text, wanted=wanted, a_week=a_week,
            values=values, database=self.database,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scheme:
    """What the compromised engineer tries: `work`, how often a day, and by which ways.

    `padded` are further spellings of it, of which one is taken at a time; `by_two`: both of his
    principals take turns; `again`: what is denied is asked once more on the same day.
    """

    work: Work
    a_day: float
    padded: tuple[str, ...] = ()
    by_two: bool = False
    again: bool = False


@dataclass(frozen=True, slots=True)
class Organisation:
    """One organisation. `rules` are policy files by name.

    `deciders` are the groups whose people answer requests; `engineers` the persons of whom one is
    compromised; `stamper` approves without looking.
    """

    name: str
    principals: tuple[Principal, ...]
    targets: tuple[Target, ...]
    rules: Mapping[str, str]
    routine: tuple[Work, ...]
    rare: tuple[Work, ...]
    mistakes: tuple[Work, ...]
    schemes: tuple[Scheme, ...]
    never: tuple[Work, ...]
    deciders: tuple[str, ...]
    engineers: tuple[str, ...]
    stamper: str
    view: CatalogueView | None = None

    @property
    def members(self) -> dict[str, frozenset[str]]:
        """The natural persons in each group."""
        found: dict[str, set[str]] = {}
        for one in self.principals:
            for group in one.groups if not one.owner else ():
                found.setdefault(group, set()).add(one.person)
        return {group: frozenset(persons) for group, persons in found.items()}

    @property
    def unwanted(self) -> tuple[Work, ...]:
        """Everything that must never pass unasked, tried or not."""
        return (*self.mistakes, *(one.work for one in self.schemes), *self.never)

    def target(self, name: str) -> Target:
        """The target of that alias."""
        return next(one for one in self.targets if one.name == name)

    def people_of(self, groups: Sequence[str]) -> list[Principal]:
        """The persons' own principals in any of these groups, by name."""
        return sorted(
            (one for one in self.principals if not one.owner and one.groups.intersection(groups)),
            key=lambda one: one.name,
        )


def people(names: str, *groups: str) -> tuple[Principal, ...]:
    """A person for each word, in these groups."""
    return tuple(Principal(name, name, frozenset(groups)) for name in names.split())


def database(name: str, environment: str = "prod", *labels: str) -> Target:
    """A PostgreSQL target with the accounts `app` and `admin`."""
    return Target(
        name, TargetKind.POSTGRES, f"{name}.internal", 5432, "main",
        accounts={one: Account(one) for one in ("app", "admin")},
        environment=environment, labels=frozenset(labels), owner="data",
    )  # fmt: skip


def machine(name: str, environment: str = "prod", *labels: str) -> Target:
    """An SSH target with the accounts `deploy` and `root`."""
    return Target(
        name, TargetKind.SSH, f"{name}.internal", 22,
        accounts={one: Account(one) for one in ("deploy", "root")},
        environment=environment, labels=frozenset(labels), owner="operations",
    )  # fmt: skip


def numbers(first: int, count: int = 40, step: int = 7) -> tuple[str, ...]:
    """Ids as they come up."""
    return tuple(str(first + step * at) for at in range(count))


def quoted(words: str) -> tuple[str, ...]:
    """Each word as a string of SQL."""
    return tuple(f"'{word}'" for word in words.split())


def schema_of(**tables: str) -> CatalogueView:
    """A catalogue of plain tables in `public`, each with its columns."""
    relations = {
        f"public.{name}": RelationFacts(f"public.{name}", "r", tuple(columns.split()))
        for name, columns in tables.items()
    }
    return CatalogueView(
        "1", 180_004, "7", account="app", search_path='"$user", public', relations=relations
    )


def asking(  # noqa: PLR0913 - the parts of a rule
    rule: str, group: str, actions: str, approvers: str, *, risk: str = "low", also: str = "",
    environment: str = "prod",
) -> str:
    """A rule that lets a group act once somebody of `approvers` (a list in Cedar) has looked."""
    condition = f"{also} && " if also else ""
    words = f'@id("{rule}")\n@title("{group} are looked at")\n@why("somebody looks at it first")\n'
    noted = f'@risk("{risk}")\n' if risk else ""
    return (
        f'{words}{noted}@owner("security")\n'
        f'permit (principal in Group::"{group}", action in [{actions}], '
        f'resource in Environment::"{environment}")\n'
        f"when {{ {condition}context has approval && "
        f"context.approval.groups.containsAny([{approvers}]) }};\n\n"
    )


def free(rule: str, group: str, actions: str) -> str:
    """A rule that lets a group do so without anybody."""
    return (
        f'@id("{rule}")\n@title("{group} may")\n'
        f'permit (principal in Group::"{group}", action in [{actions}], resource);\n\n'
    )


WRITE: Final = 'Action::"sql.write"'
READ: Final = 'Action::"sql.read"'
RUN: Final = 'Action::"ssh.exec"'
OPEN: Final = 'Action::"session.open"'
