"""The other nouns: tokens, targets, principals, sessions, and what their verbs print."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from pathlib import Path

import yaml
from support.api_world import ALICE, DOOR, WEB
from support.gateway_thread import Gatekeep, Gateway

from gatekeep.cli.sessions import open_for


def test_a_token_goes_to_stdout_and_the_talk_to_stderr(
    gateway: Gateway, gatekeep: Gatekeep
) -> None:
    """`PGPASSWORD=$(gatekeep tokens new alice)` gets the secret and nothing else."""
    told = gatekeep("tokens", "new", "alice", "--ttl", "8h", "--note", "ci")
    assert told.out == "gk_tk0000_secret\n"
    assert "token tk0000 made for alice" in told.err
    row = gateway.world.drawer.kept[0]
    assert row.expires_us == 8 * 3600 * 1_000_000
    assert row.note == "ci"


def test_a_token_can_go_to_a_private_file(
    gateway: Gateway, gatekeep: Gatekeep, tmp_path: Path
) -> None:
    """`--token-file` makes a file of mode 0600 and never overwrites one."""
    file = tmp_path / "token"
    assert gatekeep("tokens", "new", "alice", "--token-file", str(file)).out == ""
    assert file.read_text() == "gk_tk0000_secret\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert gatekeep("tokens", "new", "alice", "--token-file", str(file)).code == 1
    assert len(gateway.world.drawer.kept) == 1


def test_a_refused_token_leaves_no_file(
    gateway: Gateway, gatekeep: Gatekeep, tmp_path: Path
) -> None:
    """Nothing is left behind when the gateway says no."""
    file = tmp_path / "token"
    assert gatekeep("tokens", "new", "mallory", "--token-file", str(file)).code == 3
    assert not file.exists()


def test_tokens_are_listed_and_revoked(gateway: Gateway, gatekeep: Gatekeep) -> None:
    """A list never shows a secret; a unique beginning of the id is enough to revoke."""
    gatekeep("tokens", "new", "alice")
    told = gatekeep("tokens", "ls")
    assert told.out.split("\t")[:2] == ["tk0000", "alice"]
    assert "secret" not in told.out
    assert "revoked" in gatekeep("tokens", "revoke", "tk00").err
    assert json.loads(gatekeep("tokens", "ls", "-o", "json").out)[0]["revoked_us"] > 0


def test_targets_are_those_one_may_open(gateway: Gateway, gatekeep: Gatekeep) -> None:
    """`ls` and `show` see the same, in every format."""
    gateway.world.people.uids[os.getuid()] = ALICE
    assert gatekeep("targets", "ls").out.split("\t")[:3] == ["orders", "postgres", "app"]
    assert "environment: prod" in gatekeep("targets", "show", "orders").out
    shown = yaml.safe_load(gatekeep("targets", "show", "orders", "-o", "yaml").out)
    assert shown["accounts"] == ["app"]


def test_ssh_is_told_how_to_reach_a_target(
    gateway: Gateway, gatekeep: Gatekeep, tmp_path: Path
) -> None:
    """OpenSSH takes the stanza as it is printed, and goes through the gateway by the target's name."""
    gateway.world.people.uids[os.getuid()] = ALICE
    gateway.world.book.kept.append(WEB)
    told = gatekeep("targets", "show", "web-1", "--ssh-config")
    assert f"#   {DOOR.authority}\n" in told.out
    assert DOOR.fingerprint in told.out
    (tmp_path / "config").write_text(told.out)
    read = subprocess.run(
        ["ssh", "-F", tmp_path / "config", "-G", "web-1"],
        check=True, capture_output=True, text=True, timeout=30,
    ).stdout.splitlines()  # fmt: skip
    assert {
        "hostname web-1", "port 2222", "user app", "hostkeyalias gatekeep.web-1",
        "proxyjump alice@gw.example:2222",
    } <= set(read)  # fmt: skip
    refused = gatekeep("targets", "show", "orders", "--ssh-config")
    assert refused.out == ""
    assert "orders is no SSH target" in refused.err


def test_whoami_and_principals(gateway: Gateway, gatekeep: Gatekeep) -> None:
    """One learns who one is, what one may do, and who else there is."""
    told = gatekeep("whoami")
    assert "name: owner" in told.out
    assert (
        "may: audit.read,breakglass,grant.revoke,policy.apply,policy.read,principal.read,"
        in told.out
    )
    names = [line.split("\t")[0] for line in gatekeep("principals", "ls").out.splitlines()]
    assert names == ["alice", "carol", "owner"]


def test_sessions_by_short_id(gateway: Gateway, gatekeep: Gatekeep) -> None:
    """A session is found by a unique beginning of its code, in any case."""
    gateway.world.open_session(ALICE, "a")
    code = gatekeep("sessions", "ls").out.split("\t")[0]
    assert code.startswith("S-")
    assert "principal: alice" in gatekeep("sessions", "show", code[:5].lower()).out
    assert "principal: alice" in gatekeep("show", code).out


def test_lengths_of_time() -> None:
    """Seconds, minutes, hours."""
    assert [open_for(n) for n in (0, 59, 60, 3600 * 3 + 300)] == ["0s", "59s", "1m", "3h 5m"]


def test_reload_and_version(gateway: Gateway, gatekeep: Gatekeep) -> None:
    """A reload says what is active now; version is one line."""
    assert "policy 8a8a8a8" in gatekeep("reload").err
    assert gateway.world.reloads == 1
    assert gatekeep("version").out.startswith("gatekeep ")
    assert "version" in json.loads(gatekeep("version", "-o", "json").out)
