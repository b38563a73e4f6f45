"""Targets, principals and policy are read together: all of them, or an error that names each fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatekeep.assembly import members_of
from gatekeep.configuration import load_configuration
from gatekeep.documents import everything
from gatekeep.errors import SettingsError
from gatekeep.identity.secrets import SecretReader
from gatekeep.settings import Settings, load_settings

TARGETS = """
targets:
- {name: orders, kind: postgres, host: 127.0.0.1, port: 5432, accounts: {app: "env:APP"}}
"""
PRINCIPALS = """
principals:
- {name: alice, person: alice, groups: [engineers, sre]}
- {name: alice-bot, person: alice, groups: [engineers]}
"""
POLICY = """
@id("reads") @why("reading is free")
permit (principal in Group::"engineers", action == Action::"sql.read", resource);
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings over three files that are all right."""
    (tmp_path / "policy").mkdir()
    (tmp_path / "targets.yaml").write_text(TARGETS)
    (tmp_path / "principals.yaml").write_text(PRINCIPALS)
    (tmp_path / "policy" / "rules.cedar").write_text(POLICY)
    file = tmp_path / "gatekeep.yaml"
    file.write_text("postgres: {port: 0}\n")
    return load_settings(file, {})


def test_all_files_become_one_configuration(settings: Settings) -> None:
    """What the files say, and the policy named by its digest."""
    configuration = load_configuration(settings, SecretReader({"APP": "secret"}))
    assert [target.name for target in configuration.targets] == ["orders"]
    assert configuration.policy.rule("reads") is not None
    assert set(configuration.policy.texts) == {"rules.cedar"}


def test_groups_hold_natural_persons(settings: Settings) -> None:
    """Two principals of one person are one member."""
    configuration = load_configuration(settings, SecretReader({"APP": "secret"}))
    assert members_of(configuration.principals) == {
        "engineers": frozenset({"alice"}),
        "sre": frozenset({"alice"}),
    }


def test_every_fault_of_every_file_is_told_at_once(settings: Settings) -> None:
    """One run names a bad target, a bad principal, an unreadable secret and a bad rule."""
    settings.targets.write_text(TARGETS + "- {name: x, kind: oracle, host: h, port: 1}\n")
    settings.principals.write_text("principals:\n- {name: Bad Name, person: p}\n")
    (settings.policy.dir / "typo.cedar").write_text(
        '@id("typo") forbid (principal, action, resource) when { context.verbb == "DROP" };'
    )
    with pytest.raises(SettingsError) as caught:
        load_configuration(settings, SecretReader({}))
    told = "\n".join(one.public for one in everything(caught.value))
    for piece in ("targets.yaml", "oracle", "APP", "principals.yaml", "typo.cedar", "typo"):
        assert piece in told
    assert all(one.fix for one in everything(caught.value))
