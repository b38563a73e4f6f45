"""An approval over SSH is bound to every field that decides what would happen: one test for each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import asyncssh
import pytest

from gatekeep.domain.approvals import Binding
from gatekeep.domain.commands import (
    EXEC,
    SFTP_WRITE,
    TUNNEL_OPEN,
    Assurance,
    CommandFacts,
    SshAction,
    TunnelFacts,
)
from gatekeep.domain.targets import SshWay, Target, TargetKind
from gatekeep.proxies.ssh.bindings import Around, bound, target_key_of

FACT = CommandFacts(EXEC, "cat", ("cat", "a"), paths=frozenset({"a", "/home/deploy/a"}))
ACTION = SshAction("exec", "cat a", (FACT,), digest="d1")
AROUND = Around(
    "exec", "xterm", {53: 1}, {b"LANG": b"C.UTF-8"}, subsystem="", agent=False
)  # fmt: skip
KEY = "SHA256:known"
WEB = Target(
    "web-1", TargetKind.SSH, "web.example", 22, ssh=SshWay(host_keys=("ssh-ed25519 AAAA",))
)  # fmt: skip


def changed(action: SshAction = ACTION, around: Around = AROUND, key: str = KEY, **how: Any) -> list[str]:
    """The names of the fields that differ from those of the action as it was asked for."""
    before = Binding(bound(ACTION, AROUND, KEY))
    return list(before.changed(Binding(bound(action, around, key, **how))))


def test_the_same_again_fits() -> None:
    """Nothing differs, and the digest is the same."""
    assert changed() == []
    one = Binding(bound(ACTION, AROUND, KEY))
    assert one.digest == Binding(bound(ACTION, AROUND, KEY)).digest


@pytest.mark.parametrize(
    ("field", "action"),
    [
        ("command", replace(ACTION, digest="d2")),
        ("mode", replace(ACTION, mode="script")),
        ("assurance", replace(ACTION, assurance=Assurance.OPAQUE)),
        ("script", replace(ACTION, details={"script_sha256": "00"})),
        ("script", replace(ACTION, details={"pinned": {"path": "a", "sha256": "00"}})),
        ("operation", replace(ACTION, details={"operation": "open"})),
        ("paths", replace(ACTION, facts=(replace(FACT, paths=frozenset({"b"})),))),
    ],
)
def test_each_field_of_the_action(field: str, action: SshAction) -> None:
    """Exact bytes, mode, assurance, the script's bytes, operation, paths as judged."""
    assert changed(action) == [field]


@pytest.mark.parametrize(
    ("field", "around"),
    [
        ("channel", replace(AROUND, kind="shell")),
        ("terminal", replace(AROUND, terminal="")),
        ("terminal", replace(AROUND, terminal="vt100")),
        ("terminal", replace(AROUND, modes={53: 0})),
        ("environment", replace(AROUND, environment={b"LANG": b"C"})),
        ("environment", replace(AROUND, environment={})),
        ("subsystem", replace(AROUND, subsystem="netconf")),
        ("agent", replace(AROUND, agent=True)),
    ],
)
def test_each_field_of_the_channel(field: str, around: Around) -> None:
    """Kind, terminal and its modes, variables that go on, subsystem, forwarded agent."""
    assert changed(around=around) == [field]


def test_the_targets_key() -> None:
    """Another host behind the same name is not what was approved."""
    assert changed(key="SHA256:other") == ["host_key"]


def test_a_line_as_the_terminal_shows_it_now() -> None:
    """The digest of the screen stands in the place of what was read once."""
    line = replace(ACTION, mode="line")
    before = Binding(bound(line, AROUND, KEY, shown="d1"))
    assert list(before.changed(Binding(bound(line, AROUND, KEY, shown="d2")))) == ["line"]
    assert list(before.changed(Binding(bound(line, AROUND, KEY, shown="")))) == ["line"]
    assert list(before.changed(Binding(bound(line, AROUND, KEY)))) == []


def test_an_action_without_a_digest_is_bound_to_its_text() -> None:
    """Tunnels and listeners are known by what they say."""
    text = replace(ACTION, digest="")
    before = Binding(bound(text, AROUND, KEY))
    assert list(before.changed(Binding(bound(replace(text, text="cat b"), AROUND, KEY)))) == ["command"]


@pytest.mark.parametrize(
    ("field", "fact"),
    [
        ("destination", TunnelFacts(TUNNEL_OPEN, "db.example", 5432, "10.0.0.5")),
        ("destination", TunnelFacts(TUNNEL_OPEN, "db", 5433, "10.0.0.5")),
        ("destination_address", TunnelFacts(TUNNEL_OPEN, "db", 5432, "10.0.0.6")),
        ("destination_address", TunnelFacts(TUNNEL_OPEN, "db", 5432, "10.0.0.5", "target")),
    ],
)
def test_where_a_tunnel_leads(field: str, fact: TunnelFacts) -> None:
    """Name and port as asked for, the address that is dialled, and who looked it up."""
    tunnel = SshAction("tunnel", "db:5432", (TunnelFacts(TUNNEL_OPEN, "db", 5432, "10.0.0.5"),))
    before = Binding(bound(tunnel, Around("tunnel"), KEY))
    now = Binding(bound(replace(tunnel, facts=(fact,)), Around("tunnel"), KEY))
    assert list(before.changed(now)) == [field]


def test_paths_of_two_facts_are_not_those_of_one() -> None:
    """No two different lists are written alike."""
    one = CommandFacts(SFTP_WRITE, paths=frozenset({"a", "b"}))
    two = (replace(one, paths=frozenset({"a"})), replace(one, paths=frozenset({"b"})))
    assert bound(replace(ACTION, facts=(one,)), AROUND, KEY) != bound(
        replace(ACTION, facts=two), AROUND, KEY
    )


class Reached:
    """A connection that has shown a key."""

    def __init__(self) -> None:
        self.key = asyncssh.generate_private_key("ssh-ed25519")

    def get_server_host_key(self) -> asyncssh.SSHKey:
        """As asyncssh gives it."""
        return self.key


@pytest.mark.parametrize(
    "way",
    [
        SshWay(host_keys=("ssh-ed25519 BBBB",)),
        SshWay(host_ca="ssh-ed25519 AAAA"),
        SshWay(known_hosts="/etc/known"),
        SshWay(first_use=True),
    ],
)
def test_before_it_is_dialled_a_target_is_how_its_key_is_known(way: SshWay) -> None:
    """Keys, authority, file, or first use: each another answer."""
    assert target_key_of(WEB, None)() == target_key_of(replace(WEB, name="other"), None)()
    assert target_key_of(WEB, None)() != target_key_of(replace(WEB, ssh=way), None)()


def test_once_reached_a_target_is_the_key_that_it_showed() -> None:
    """The fingerprint, as people know it."""
    reached: Any = Reached()
    assert target_key_of(WEB, reached)() == reached.key.get_fingerprint()
