"""Stories of the catalogues that statements are explained against."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.builders import session, target
from support.postgres_server import PostgresServer

from gatekeep.cli.policy_catalogue import catalogue_named, live_catalogue
from gatekeep.domain.sessions import Session
from gatekeep.domain.targets import Account, TargetTls
from gatekeep.errors import SettingsError


def test_none_proves_nothing() -> None:
    """Without a catalogue every SELECT is procedural."""
    assert catalogue_named("none") is None


def test_a_file_holds_the_fields_of_a_catalogue(tmp_path: Path) -> None:
    """Lists become sets, columns keep their order, relations are facts."""
    file = tmp_path / "shop.json"
    file.write_text(
        json.dumps(
            {
                "server_version": 180004,
                "functions": {"order_total": ["public.order_total"]},
                "attributes": ["lower"],
                "relations": {"public.orders": {"kind": "r", "columns": ["id", "status"]}},
            }
        )
    )
    view = catalogue_named(str(file))
    assert view is not None
    assert view.functions == {"order_total": frozenset({"public.order_total"})}
    assert view.attributes == {"lower"}
    assert view.relations["public.orders"].columns == ("id", "status")


@pytest.mark.parametrize("text", ["[]", "{", '{"no_such_field": 1}', '{"relations": 3}'])
def test_a_file_that_is_no_catalogue_is_refused(tmp_path: Path, text: str) -> None:
    """With the file's name, not with a traceback."""
    file = tmp_path / "bad.json"
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        catalogue_named(str(file))
    assert caught.value.file == str(file)


def test_a_live_catalogue_is_read_as_a_session_would(postgres_server: PostgresServer) -> None:
    """With the target's own account, over the connector of sessions."""
    one = _session(postgres_server)
    view = live_catalogue(one, lambda _: postgres_server.password)
    assert view.account == postgres_server.user
    assert view.server_version >= 180000
    assert view.system_relations


def test_a_live_catalogue_that_cannot_be_read_is_said(postgres_server: PostgresServer) -> None:
    """A wrong secret or a dead target: one sentence, no secret in it."""
    one = _session(postgres_server)
    with pytest.raises(SettingsError) as caught:
        live_catalogue(one, lambda _: "wrong-secret")
    assert "wrong-secret" not in str(caught.value)


def _session(server: PostgresServer) -> Session:
    accounts = {server.user: Account(server.user, "env:UNUSED")}
    where = target(port=server.port, accounts=accounts, tls=TargetTls.DISABLE)
    return session(target=where, account=server.user, database="postgres")
