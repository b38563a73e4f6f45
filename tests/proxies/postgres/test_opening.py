"""What opening a session makes of a start-up packet; whole openings are stories of the app."""

from __future__ import annotations

import pytest

from gatekeep.domain.actions import SqlClass
from gatekeep.protocols.postgres.startup import StartupRequest
from gatekeep.proxies.postgres import opening
from gatekeep.proxies.postgres.target import TargetLink


def test_a_start_up_setting_is_judged_as_a_set() -> None:
    """Its name is a fact, its text is what a SET of it would be."""
    action = opening._as_set("search_path", "sales")
    (fact,) = action.facts
    assert (fact.sql_class, fact.verb) == (SqlClass.SESSION, "SET")
    assert fact.settings == {"search_path"}
    assert action.mode == "startup"
    assert action.redacted == "SET search_path TO 'sales'"


@pytest.mark.parametrize("name", ["role", "session_authorization"])
def test_a_role_by_start_up_setting_is_a_privilege(name: str) -> None:
    """`-c role=dba` carries the same tag and role as SET ROLE dba."""
    (fact,) = opening._as_set(name, "dba").facts
    assert fact.roles == {"dba"}
    assert "privilege" in fact.tags


def test_a_hostile_value_is_shown_escaped() -> None:
    """Control bytes of a start-up value reach no terminal."""
    action = opening._as_set("work_mem", "\x1b[2J\u202e")
    assert "\x1b" not in action.redacted
    assert "\u202e" not in action.redacted


def test_the_client_sees_its_own_application_name() -> None:
    """What the gateway told the target about itself stays between the two."""
    link = TargetLink(
        dial=None, wire=None, parameters={"application_name": "gatekeep/S-1", "TimeZone": "UTC"},  # type: ignore[arg-type] # not used here
        key=None, server_version=180000, notices=(), tls=None,
    )  # fmt: skip
    request = StartupRequest("alice", "", "orders", "", application_name="psql")
    assert opening._parameters(link, request) == {"application_name": "psql", "TimeZone": "UTC"}


@pytest.mark.parametrize(
    ("name", "value"), [("app.password", "hunter2"), ("app.url", "postgres://app:hunter2@db/x")]
)
def test_a_secret_in_a_start_up_setting_is_not_recorded(name: str, value: str) -> None:
    """What goes for statements goes for settings."""
    action = opening._as_set(name, value)
    assert action.redacted == action.facts[0].redacted == f"SET {name} TO ***"
    assert "hunter2" not in action.facts[0].template
