"""`gatekeep check` says everything that is wrong, each with file, key and fix."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gatekeep.cli.checking import check, check_command

RULE = """
@id("engineers-read")
permit (principal in Group::"engineers", action, resource);
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A directory where everything is right."""
    (tmp_path / "gatekeep.yaml").write_text("state_dir: state\nkeys_dir: keys\n")
    (tmp_path / "secret").write_text("hunter2")
    (tmp_path / "secret").chmod(0o600)
    (tmp_path / "targets.yaml").write_text(
        "targets:\n- name: orders\n  kind: postgres\n  host: db\n"
        f"  accounts: {{app: 'file:{tmp_path}/secret'}}\n"
    )
    (tmp_path / "principals.yaml").write_text("principals: [{name: alice, groups: [engineers]}]\n")
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "rules.cedar").write_text(RULE)
    return tmp_path


def test_what_is_right_is_said_in_one_line(files: Path) -> None:
    """Exit 0, and neither state nor keys were made."""
    report = check(files / "gatekeep.yaml", {})
    assert report.problems == ()
    assert report.exit == 0
    assert report.text().startswith("● all is right: 1 targets, 1 principals, policy ")
    assert not (files / "state").exists()


def test_everything_wrong_is_said_at_once(files: Path) -> None:
    """Targets, principals and policy are all looked at, each fault with a thing to do."""
    (files / "targets.yaml").write_text(
        "targets: [{name: o, kind: mysql, host: h, accounts: {a: env:NONE}}]"
    )
    (files / "principals.yaml").write_text("principals: [{name: alice, grops: []}]")
    (files / "policy" / "rules.cedar").write_text("permit (principal, action, resorce);")
    report = check(files / "gatekeep.yaml", {})
    assert report.exit == 8
    assert {Path(one.file).name.partition(":")[0] for one in report.problems} >= {
        "targets.yaml",
        "principals.yaml",
        "rules.cedar",
    }
    assert "did you mean groups?" in report.text()
    for line in report.text().splitlines():
        assert line.startswith(("gatekeep: ", "  try: "))


def test_wrong_settings_are_said_first(files: Path) -> None:
    """Without settings nothing else is known."""
    report = check(files / "gatekeep.yaml", {"GATEKEEP_DRAIN_S": "long"})
    assert [one.key for one in report.problems] == ["GATEKEEP_DRAIN_S"]


def test_token_references_are_tried(files: Path) -> None:
    """A principal's token that is missing or none is found before the gateway starts."""
    (files / "principals.yaml").write_text("principals: [{name: a, tokens: ['env:T', 'env:U']}]")
    report = check(files / "gatekeep.yaml", {"U": "short"})
    assert [one.key for one in report.problems] == [
        "principals[0].tokens[0]",
        "principals[0].tokens[1]",
    ]


def test_what_ssh_needs_is_tried(files: Path) -> None:
    """Registered keys and one-time secrets, and a target that believes whoever answers first."""
    (files / "principals.yaml").write_text(
        "principals: [{name: alice, keys: [nonsense], totp: 'env:NONE'}]"
    )
    report = check(files / "gatekeep.yaml", {})
    assert [one.key for one in report.problems] == ["principals[0].keys[0]", "principals[0].totp"]
    (files / "principals.yaml").write_text("principals: []")
    (files / "targets.yaml").write_text(
        "targets: [{name: web-1, kind: ssh, host: h, host_key: first_use,"
        f" accounts: {{x: 'file:{files}/secret'}}}}]"
    )
    report = check(files / "gatekeep.yaml", {})
    assert report.exit == 0
    assert report.warnings == ("target web-1 believes whoever answers first (host_key: first_use)",)


def test_exposed_secrets_are_a_warning(files: Path) -> None:
    """The file is named, its content is not, and the check still passes."""
    (files / "secret").chmod(0o644)
    report = check(files / "gatekeep.yaml", {})
    assert report.exit == 0
    assert f"{files}/secret can be read by everybody" in report.text()
    assert "hunter2" not in report.text()


def test_what_slack_needs_is_tried(files: Path) -> None:
    """The secrets of its mode, and no others; one that everybody may read is a warning."""
    text = (files / "gatekeep.yaml").read_text()
    place = files / "bot"
    place.write_text("xoxb-1")
    place.chmod(0o644)
    (files / "gatekeep.yaml").write_text(
        f"{text}slack: {{mode: socket, team: T0123, bot_token: 'file:{place}', "
        "app_token: 'env:APP', signing_secret: 'env:SIGN'}\n"
    )
    report = check(files / "gatekeep.yaml", {})
    assert [(one.key, one.fix) for one in report.problems] == [
        ("slack.app_token", "set APP in the gateway's environment")
    ]
    assert any(str(place) in one and "slack.bot_token" in one for one in report.warnings)
    assert check(files / "gatekeep.yaml", {"APP": "xapp-1"}).problems == ()


def test_programs_get_json(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Data on stdout, talk on stderr, the same findings."""
    (files / "targets.yaml").write_text("targets: 5")
    assert check_command(settings=files / "gatekeep.yaml", output="json") == 8
    told = capsys.readouterr()
    document = json.loads(told.out)
    assert document["ok"] is False
    assert document["problems"][0]["key"] == "targets"
    assert document["problems"][0]["fix"]
    assert check_command(settings=files / "gatekeep.yaml") == 8
    told = capsys.readouterr()
    assert told.out == ""
    assert "  try: " in told.err


def test_a_case_that_would_stop_the_gateway_is_said_here(files: Path) -> None:
    """Loading runs the policy's own cases, so check does: with the case and the rule's place."""
    (files / "policy" / "cases").mkdir()
    (files / "policy" / "cases" / "c.yaml").write_text(
        "groups: {engineers: [alice]}\ntargets: {orders: {}}\ncases:\n"
        "- {name: a drop, who: alice, on: orders, action: sql.ddl, expect: deny}\n"
    )
    report = check(files / "gatekeep.yaml", {})
    assert report.exit == 8
    (problem,) = report.problems
    assert problem.key == "case orders/a drop"
    assert "expected deny, got allow (rule engineers-read, " in problem.public


SLACK = (
    "slack: {mode: socket, team: T0123456789, bot_token: 'env:B', app_token: 'env:A', %s}\n"
)
HOOK = "webhooks: {outgoing: [{name: n, url: 'https://a.example', secret: 'env:H', kinds: [%s]}]}\n"


@pytest.mark.parametrize(
    ("more", "quiet"),
    [
        ("", ["all", "dba"]),
        (HOOK % "requested", ["all", "dba"]),
        (HOOK % "notice", []),
        (SLACK % "channels: ['dba=C0123456789']", ["all"]),
        (SLACK % "default_channel: C0123456789", []),
    ],
)
def test_rules_that_notify_nobody_are_said(files: Path, more: str, quiet: list[str]) -> None:
    """@notify needs a channel or a webhook, and @notify("dba") its group's channel or those."""
    (files / "policy" / "rules.cedar").write_text(
        RULE + '@id("all") @notify forbid (principal, action == Action::"sql.ddl", resource);\n'
        '@id("dba") @notify("dba") forbid (principal, action == Action::"sql.dcl", resource);\n'
    )
    (files / "gatekeep.yaml").write_text(f"state_dir: state\nkeys_dir: keys\n{more}")
    key = "k" * 32
    report = check(files / "gatekeep.yaml", {"A": key, "B": key, "H": key})
    assert report.problems == ()
    said = [one for one in report.warnings if "notifies nobody" in one]
    assert [one.split("rule ")[1].split(":")[0] for one in said] == quiet


def test_single_person_mode_is_said(files: Path) -> None:
    """It is no fault, and never silent."""
    (files / "gatekeep.yaml").write_text(
        "state_dir: state\nkeys_dir: keys\npolicy: {single_person: true}\n"
    )
    report = check(files / "gatekeep.yaml", {})
    assert report.exit == 0
    assert report.warnings == ("one person alone may loosen the policy (policy.single_person)",)
