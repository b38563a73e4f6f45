"""principals.yaml: what is read from it, and one readable error for each wrong input."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gatekeep.documents import everything
from gatekeep.domain.identity import Principal
from gatekeep.errors import SettingsError
from gatekeep.identity.principals import load_principals

EXAMPLE = Path(__file__).parents[2] / "config" / "principals.yaml"


def written(tmp_path: Path, text: str) -> Path:
    """A principals file with this text."""
    file = tmp_path / "principals.yaml"
    file.write_text(text)
    return file


def test_all_keys_are_read(tmp_path: Path) -> None:
    """A person may have several principals; a machine belongs to its owner."""
    entries = load_principals(
        written(
            tmp_path,
            "principals:\n"
            "- {name: alice, groups: [engineers, dba], os_user: al, keys: [ssh-ed25519 AAAA a],"
            " tokens: ['env:T']}\n"
            "- {name: alice.admin, person: alice}\n"
            "- {name: nightly, owner: bob}\n",
        )
    )
    assert [entry.principal for entry in entries] == [
        Principal("alice", "alice", frozenset({"engineers", "dba"}), "", "al"),
        Principal("alice.admin", "alice"),
        Principal("nightly", "bob", owner="bob"),
    ]
    assert entries[0].keys == ("ssh-ed25519 AAAA a",)
    assert entries[0].tokens == ("env:T",)


@pytest.mark.parametrize("text", ["", "principals:", "principals: []", "# nothing\n"])
def test_nobody_is_fine(tmp_path: Path, text: str) -> None:
    """An empty file has no principals."""
    assert load_principals(written(tmp_path, text)) == ()


def test_the_example_works_with_and_without_its_comment_signs(tmp_path: Path) -> None:
    """config/principals.yaml is right as it is, and so is what it shows."""
    assert load_principals(EXAMPLE) == ()
    opened = re.sub(r"^#(?=  )", "", EXAMPLE.read_text(), flags=re.MULTILINE)
    names = [entry.principal.name for entry in load_principals(written(tmp_path, opened))]
    assert names == ["alice", "nightly"]


BAD = [
    ("principals: [{name: Alice}]", "principals[0].name", "match", ""),
    ("principals: [{name: al+ice}]", "principals[0].name", "match", ""),
    ('principals: [{name: "alice\\n"}]', "principals[0].name", "match", ""),
    ("principals: [{name: 5}]", "principals[0].name", "must be text", "quotes"),
    ("principals: [{groups: [a]}]", "principals[0].name", "is missing", "add name"),
    ("principals: [{name: a, group: b}]", "principals[0].group", "not a known key", "groups?"),
    ("principals: [{name: a, groups: b}]", "principals[0].groups", "must be a list", "- item"),
    ("principals: [{name: a, groups: [1]}]", "principals[0].groups[0]", "must be text", "quotes"),
    (
        "principals: [{name: a}, {name: a}]",
        "principals[1].name",
        "a is used twice",
        "principals[0]",
    ),
    (
        "principals: [{name: a, os_user: x}, {name: b, os_user: x}]",
        "principals[1].os_user",
        "x is used twice",
        "principals[0].os_user",
    ),
    ("principals: [{name: owner}]", "principals[0].name", "reserved", "another name"),
    ("principals: [alice]", "principals[0]", "block of keys", "indented"),
    ("principals: {alice: {}}", "principals", "must be a list", "- name"),
    ("people: []", "people", "not a known key", "principals:"),
    ("- name: alice", "principals", "must hold principals", "principals:"),
]


@pytest.mark.parametrize(("text", "key", "what", "fix"), BAD)
def test_a_wrong_file_names_file_key_and_fix(
    tmp_path: Path, text: str, key: str, what: str, fix: str
) -> None:
    """One SettingsError, never a traceback of the parser."""
    file = written(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        load_principals(file)
    error = caught.value
    assert (error.file, error.key) == (str(file), key)
    assert what in str(error)
    assert fix in error.fix
    assert error.fix


def test_a_value_that_may_be_a_secret_is_not_repeated(tmp_path: Path) -> None:
    """A token written where a reference belongs does not appear in the error."""
    file = written(tmp_path, "principals: [{name: a, tokens: gk_hunter2, keys: [7654321]}]")
    with pytest.raises(SettingsError) as caught:
        load_principals(file)
    told = "".join(str(error) + error.fix for error in everything(caught.value))
    assert "hunter2" not in told
    assert "7654321" not in told


def test_all_faults_are_found_at_once(tmp_path: Path) -> None:
    """One run of `check` shows them all."""
    file = written(tmp_path, "principals: [{name: A}, {name: b, grops: []}, {name: c}, {name: c}]")
    with pytest.raises(SettingsError) as caught:
        load_principals(file)
    assert [error.key for error in everything(caught.value)] == [
        "principals[0].name",
        "principals[1].grops",
        "principals[3].name",
    ]
