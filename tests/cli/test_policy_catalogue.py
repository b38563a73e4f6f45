"""Stories of the catalogues that statements are explained against."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gatekeep.cli.policy_catalogue import catalogue_named
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


def test_live_says_that_it_is_still_to_come() -> None:
    """No half answer."""
    with pytest.raises(SettingsError):
        catalogue_named("live")
