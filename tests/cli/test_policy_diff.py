"""`policy diff` on files: directories, and versions out of a state that nobody else need run."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from support.gateway_thread import Gatekeep

from gatekeep.cli.policy_directory import read_texts
from gatekeep.journal.keys import KeyRing
from gatekeep.policy.loading import digest_of
from gatekeep.runtime.clock import SystemClock
from gatekeep.stores.sqlite.state import StateStore

SHIPPED = Path(__file__).parents[2] / "config" / "policy"


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """A copy of the shipped policy, without `prod-no-drop` and with another reason elsewhere."""
    copy = tmp_path / "policy"
    shutil.copytree(SHIPPED, copy)
    file = copy / "balanced.cedar"
    text = file.read_text()
    begin = text.index('@id("prod-no-drop")')
    file.write_text(text[:begin] + text[text.index(";", begin) + 1 :])
    return copy


@pytest.fixture
def state(tmp_path: Path, gatekeep: Gatekeep, monkeypatch: pytest.MonkeyPatch) -> StateStore:
    """The state of a gateway in which the shipped policy is active."""
    monkeypatch.setenv("GATEKEEP_KEYS_DIR", str(tmp_path / "keys"))
    monkeypatch.setenv("GATEKEEP_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "state").mkdir(mode=0o700)
    ring = KeyRing.open(tmp_path / "keys", data_dir=tmp_path / "state", create=True)
    store = StateStore.open(tmp_path / "state" / "state.db", ring.state_db_key(), SystemClock())
    texts = read_texts(SHIPPED)
    store.settle(store.activate_policy(digest_of(texts), texts, {}).id)
    return store


def test_a_directory_against_itself(gatekeep: Gatekeep) -> None:
    """Nothing differs, in three lines."""
    told = gatekeep("policy", "diff", str(SHIPPED), str(SHIPPED))
    assert told.code == 0
    first, second, third = told.out.splitlines()
    assert "0 added, 0 removed, 0 changed" in first
    assert (
        second.endswith("cases: 0 asked under both, 0 decided otherwise") or "0 decided" in second
    )
    assert third == "no rule differs; what no case covers is not known"
    assert told.err == ""


def test_the_files_against_the_active_version(
    gatekeep: Gatekeep, rules: Path, state: StateStore
) -> None:
    """The removed rule with its text, the cases it decided, and that two people are needed."""
    told = gatekeep("policy", "diff", "--policy", str(rules))
    assert told.code == 0
    assert "0 added, 1 removed, 0 changed" in told.out
    assert "- forbid prod-no-drop" in told.out
    assert '    -@id("prod-no-drop")' in told.out
    assert "(lets more pass)" in told.out
    assert "  loosened  orders-prod/" in told.out
    assert told.out.endswith("loosens: cases show it; what no case covers is not known\n")
    assert "policy.single_person is false" in told.err


def test_two_versions_by_their_digits(gatekeep: Gatekeep, rules: Path, state: StateStore) -> None:
    """Also while the gateway has the state open; backwards it tightens."""
    texts = read_texts(rules)
    digest = digest_of(texts)
    state.settle(state.activate_policy(digest, texts, {}).id)
    old = digest_of(read_texts(SHIPPED))
    told = gatekeep("policy", "diff", digest[:7], old[:9], "-o", "json", "--policy", str(rules))
    document = json.loads(told.out)
    assert (document["old"], document["new"]) == (digest, old)
    assert [(one["id"], one["kind"]) for one in document["rules"]] == [("prod-no-drop", "added")]
    assert {one["kind"] for one in document["cases"]} == {"tightened"}
    assert document["loosens"] == []
    assert document["verdict"] == "tightens: every change is proven stricter"
    assert json.loads(gatekeep("policy", "diff", old[:7], "-o", "json").out)["rules"] == []


def test_nothing_is_written_by_looking(gatekeep: Gatekeep, rules: Path, state: StateStore) -> None:
    """The state is opened to read only: its file stays as it was."""
    state.close()
    file = Path(os.environ["GATEKEEP_STATE_DIR"]) / "state.db"
    before = file.read_bytes()
    assert gatekeep("policy", "diff", "--policy", str(rules)).code == 0
    assert file.read_bytes() == before


def test_what_is_not_there_is_5_and_what_does_not_load_is_8(
    gatekeep: Gatekeep, rules: Path, state: StateStore, tmp_path: Path
) -> None:
    """An unknown version, an empty state, and a broken file with file, line and rule."""
    told = gatekeep("policy", "diff", "abcd123")
    assert told.code == 5
    assert "no version abcd123" in told.err
    told = gatekeep("policy", "diff", "--state", str(tmp_path))
    assert told.code == 5
    assert "no version was ever active here" in told.err
    (rules / "x.cedar").write_text('@id("x") permit (principal, action, rsrc);\n')
    told = gatekeep("policy", "diff", "--policy", str(rules))
    assert (told.code, told.out) == (8, "")
    assert "x.cedar:1: rule x:" in told.err


def test_an_old_version_that_no_longer_loads_says_how_to_read_it(
    gatekeep: Gatekeep, state: StateStore
) -> None:
    """Its text is still there."""
    state.settle(state.activate_policy("d" * 64, {"a.cedar": "permit (x);"}, {}).id)
    told = gatekeep("policy", "diff")
    assert told.code == 1
    assert "policy export dddddddddddd --to DIR" in told.err
