"""Small policies and engines for tests."""

from __future__ import annotations

from gatekeep.domain.actions import SqlFacts
from gatekeep.domain.decisions import Decision
from gatekeep.domain.identity import Principal
from gatekeep.domain.targets import Target
from gatekeep.policy.engine import Engine, Standing
from gatekeep.policy.loading import load
from gatekeep.policy.request import Place, sql_question

MEMBERS = {
    "dba": frozenset({"bob", "dave"}),
    "security": frozenset({"carol"}),
    "solo": frozenset({"alice"}),
}
"""Alice is alone in `solo`, so nobody could approve for it but herself."""

READS = '@id("reads") permit (principal in Group::"engineers", action in Action::"sql", resource);\n'


def engine(text: str, members: dict[str, frozenset[str]] | None = None) -> Engine:
    """An engine over one file of policy text."""
    return Engine(load({"rules.cedar": text}), MEMBERS if members is None else members)


def decide(
    over: Engine, who: Principal, where: Target, *facts: SqlFacts, source: str = ""
) -> Decision:
    """The decision over statements, in a session of `who` on `where` as app_rw."""
    standing: Standing = over.standing(who, where)
    place = Place(who, where, "app_rw", "shop", source)
    return over.decide(standing, [sql_question(place, one, "simple", None) for one in facts])
