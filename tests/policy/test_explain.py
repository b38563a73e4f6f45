"""Stories of explanations: the line that tools read."""

from __future__ import annotations

from support.builders import facts, principal, target
from support.policies import READS, engine

from gatekeep.domain.actions import SqlClass
from gatekeep.policy.explain import explain_sql, explanation
from gatekeep.policy.request import Place


def test_a_line_holds_what_the_public_face_promises() -> None:
    """Exactly these keys, the severest class, all tags, facts of each statement."""
    over = engine(READS)
    place = Place(principal(), target(), "app_rw", "shop")
    known = (facts(tags=frozenset({"b"})), facts(SqlClass.DDL, "DROP TABLE", tags=frozenset({"a"})))
    decision = explain_sql(over, over.standing(place.principal, place.target), place, known, "simple")
    told = explanation("SELECT 1; DROP TABLE x", known, decision, "clean")
    assert list(told) == [
        "input", "class", "tags", "facts", "template", "verdict", "rule", "reason", "approvers",
        "policy", "catalogue",
    ]  # fmt: skip
    assert (told["class"], told["tags"], told["verdict"]) == ("ddl", ["a", "b"], "allow")
    assert [one["verb"] for one in told["facts"]] == ["SELECT", "DROP TABLE"]
    assert told["policy"] == over.version.name


def test_an_empty_text_is_explained_as_a_read() -> None:
    """It has no statements and is judged all the same."""
    over = engine(READS)
    place = Place(principal(), target(), "app_rw", "shop")
    decision = explain_sql(over, over.standing(place.principal, place.target), place, (), "simple")
    assert explanation("", (), decision, "none")["class"] == "read"
