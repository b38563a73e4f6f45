"""`policy apply`, `history` and `export` against a gateway's socket, and files written from it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from support.gateway_thread import Gatekeep, Gateway

from gatekeep.cli.exits import Stop
from gatekeep.cli.policy_directory import load_policy_directory, read_texts
from gatekeep.cli.policy_versions import write_texts
from gatekeep.errors import SettingsError
from gatekeep.policy.loading import digest_of

TEXTS = {
    "a.cedar": '// ä\r\n@id("a") permit (principal, action, resource);',
    "adopted.cedar": '@id("b") forbid (principal, action, resource);\n',
}


def test_apply_says_what_rules_now(gateway: Gateway, gatekeep: Gatekeep) -> None:
    """Seven digits, how many rules differ, and where to look; the reason goes along."""
    told = gatekeep("policy", "apply", "--reason", "OPS-412")
    assert told.code == 0
    assert "policy 8b1c111 is in force: +1" in told.err
    assert gateway.world.shelf.wishes[0].reason == "OPS-412"
    assert json.loads(gatekeep("policy", "apply", "-o", "json").out)["added"] == ["x"]


def test_apply_of_what_rules_already(gateway: Gateway, gatekeep: Gatekeep) -> None:
    """Says so."""
    gateway.world.shelf.files = gateway.world.shelf.kept[0]
    assert "is in force already" in gatekeep("policy", "apply").err


def test_a_failed_check_is_exit_8_and_two_people_exit_3(
    gateway: Gateway, gatekeep: Gatekeep
) -> None:
    """The gateway's words, with file and rule, or with the setting that decides."""
    gateway.world.shelf.fault = SettingsError(
        "is not Cedar", file="a.cedar:3", key="rule x", fix="mend it"
    )
    told = gatekeep("policy", "apply")
    assert told.code == 8
    assert "a.cedar:3: rule x: is not Cedar" in told.err
    gateway.world.shelf.fault = None
    gateway.world.shelf.loosens = ("removed forbid no-drop",)
    told = gatekeep("policy", "apply")
    assert told.code == 3
    assert "policy.single_person" in told.err
    assert "removed forbid no-drop" in told.err


def test_a_reload_that_held_the_policy_back_is_exit_3(gateway: Gateway, gatekeep: Gatekeep) -> None:
    """The rest was loaded, and the words say what was not."""
    gateway.world.shelf.loosens = ("removed forbid no-drop",)
    told = gatekeep("reload")
    assert told.code == 3
    assert "● loaded: policy 8a8a8a8" in told.err
    assert "removed forbid no-drop" in told.err
    assert "policy.single_person" in told.err


def test_history_has_a_line_for_each_version(gateway: Gateway, gatekeep: Gatekeep) -> None:
    """Whole values in a pipe, the document in JSON, and single-person mode is always said."""
    gatekeep("policy", "apply", "--reason", "why not")
    gateway.world.shelf.single_person = True
    told = gatekeep("policy", "history")
    newest, oldest = (line.split("\t") for line in told.out.splitlines())
    assert newest[1:] == ["8b1c111", "before", "owner", "apply", "1", "", "why not"]
    assert oldest[1:4] == ["7f3a9c2", "active", "start"]
    assert "one person alone may loosen this policy" in told.err
    document = json.loads(gatekeep("policy", "history", "-o", "json", "--limit", "1").out)
    assert (len(document["versions"]), document["single_person"]) == (1, True)


def test_export_and_load_give_the_same_digest(
    gateway: Gateway, gatekeep: Gatekeep, tmp_path: Path
) -> None:
    """Byte for byte, the adopted layer included; a second export finds nothing to write."""
    shelf = gateway.world.shelf
    shelf.kept[0] = replace(shelf.kept[0], texts=TEXTS)
    place = tmp_path / "out" / "policy"
    told = gatekeep("policy", "export", "--to", str(place))
    assert (told.code, told.out) == (0, f"{place}/a.cedar\n{place}/adopted.cedar\n")
    assert digest_of(read_texts(place)) == digest_of(TEXTS)
    again = gatekeep("policy", "export", "7f3a9c2", "--to", str(place), "-o", "json")
    assert json.loads(again.out)["written"] == []


def test_export_replaces_only_by_force_and_deletes_nothing(
    gateway: Gateway, gatekeep: Gatekeep, tmp_path: Path
) -> None:
    """A file that differs stops it before anything is written; a foreign file is told of."""
    (tmp_path / "a.cedar").write_text("mine")
    (tmp_path / "z.cedar").write_text("mine, too")
    shelf = gateway.world.shelf
    shelf.kept[0] = replace(shelf.kept[0], texts=TEXTS)
    told = gatekeep("policy", "export", "--to", str(tmp_path))
    assert told.code == 1
    assert "a.cedar differs" in told.err
    assert not (tmp_path / "adopted.cedar").exists()
    told = gatekeep("policy", "export", "--to", str(tmp_path), "--force")
    assert told.code == 0
    assert (tmp_path / "a.cedar").read_bytes().decode() == TEXTS["a.cedar"]
    assert (tmp_path / "z.cedar").read_text() == "mine, too"
    assert "z.cedar is not part of it" in told.err


@pytest.mark.parametrize(
    "name", ["../a.cedar", "/etc/a.cedar", "a.txt", ".hidden.cedar", "a/b.cedar"]
)
def test_no_name_leaves_the_directory(tmp_path: Path, name: str) -> None:
    """File names come over a socket and are not trusted."""
    with pytest.raises(Stop):
        write_texts({name: "x"}, tmp_path / "in", force=True)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_version_is_usage_and_an_unknown_one_is_5(
    gateway: Gateway, gatekeep: Gatekeep
) -> None:
    """Said before or by the gateway."""
    assert gatekeep("policy", "export", "../x").code == 2
    assert gatekeep("policy", "export", "abcd").code == 5


def test_an_exported_layer_may_lie_in_both_places_while_it_is_the_same(tmp_path: Path) -> None:
    """Committed as a file and still in the state: loaded once; two texts of it are an error."""
    files, layer = tmp_path / "policy", tmp_path / "state" / "policy"
    layer.mkdir(parents=True)
    assert write_texts(TEXTS, files, force=False) == sorted(TEXTS)
    (layer / "adopted.cedar").write_text(TEXTS["adopted.cedar"])
    assert read_texts(files, tmp_path / "state") == TEXTS
    assert load_policy_directory(files).digest == digest_of(TEXTS)
    (layer / "adopted.cedar").write_text("// other\n")
    with pytest.raises(SettingsError, match="differs from the adopted rules"):
        read_texts(files, tmp_path / "state")
