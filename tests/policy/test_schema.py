"""Stories of the schema: every class of statement and every fact has its place in it."""

from __future__ import annotations

import cedarpy
import pytest
from support.builders import facts, principal, target

from gatekeep.domain.actions import SqlClass
from gatekeep.policy.request import Place, moment, sql_question
from gatekeep.policy.schema import GATEWAY_ACTIONS, SQL_ACTIONS, schema
from gatekeep.web.access import VERBS


def test_every_class_of_statement_is_an_action() -> None:
    """`sql.<class>` for each SqlClass, and no other."""
    assert {f"sql.{one.value}" for one in SqlClass} == set(SQL_ACTIONS)


def test_every_gateway_action_that_the_api_asks_about_exists() -> None:
    """An action that the schema does not know is denied to everybody."""
    assert set(VERBS) <= set(GATEWAY_ACTIONS)


@pytest.mark.parametrize("sql_class", list(SqlClass))
def test_requests_fit_the_schema(sql_class: SqlClass) -> None:
    """A context with a fact that the schema lacks, or without one it has, would be NoDecision."""
    place = Place(principal(), target(), "app_rw", "shop", "10.0.0.1")
    question = sql_question(place, facts(sql_class), "simple", moment(0))
    answer = cedarpy.is_authorized(
        {
            "principal": {"type": "Principal", "id": "alice"},
            "action": {"type": "Action", "id": question.action},
            "resource": {"type": "Target", "id": "orders"},
            "context": dict(question.context),
        },
        '@id("x") permit (principal, action, resource);',
        [],
        schema(),
    )
    assert answer.allowed, answer.diagnostics.errors

