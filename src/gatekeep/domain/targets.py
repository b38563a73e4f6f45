"""Targets: what is reached through gatekeep, and the accounts used on them."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

ALIAS_PREFIX: Final = "gatekeep."
"""Behind the jump host a target is called so in known_hosts, so that nothing else is meant."""


def alias_of(target: str) -> str:
    """The name of a target in known_hosts and in the host certificate that we show for it."""
    return ALIAS_PREFIX + target


class TargetKind(enum.StrEnum):
    """What a target speaks."""

    POSTGRES = "postgres"
    SSH = "ssh"


class TargetTls(enum.StrEnum):
    """How the gateway protects its own connection to a target, as libpq's sslmode."""

    DISABLE = "disable"
    PREFER = "prefer"
    REQUIRE = "require"
    VERIFY_CA = "verify-ca"
    VERIFY_FULL = "verify-full"


@dataclass(frozen=True, slots=True)
class Account:
    """A log-in used on a target.

    `secret` (its password), `certificate` and `key` (PEM, of the client certificate shown for it)
    are references (`env:NAME`, `file:/path`), never values; empty where there is none. Over SSH
    `key` is a private key, `certificate` its OpenSSH certificate, and `agent` the socket of an
    agent that is asked in their place.
    """

    name: str
    secret: str = ""
    certificate: str = ""
    key: str = ""
    agent: str = ""


@dataclass(frozen=True, slots=True)
class SshWay:
    """How an SSH host is known, and what is asked of its shells.

    `host_keys` and `host_ca` are public keys (`type base64`), `known_hosts` a file of OpenSSH's;
    `first_use` believes whoever answers first, for good. `shell_hook` is `bash`, `zsh` or `off`;
    `hidden_input` `deny`, `ask`, `alert` or `allow`; `line_gate` `auto` or `off`;
    `pin_files`: script files are read first, and run as they were read.
    """

    host_keys: tuple[str, ...] = ()
    host_ca: str = ""
    known_hosts: str = ""
    first_use: bool = False
    shell_hook: str = "off"
    hidden_input: str = "alert"
    line_gate: str = "auto"
    pin_files: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """One SSH host or Postgres server, by its alias `name`.

    `direct_tls`: TLS begins with the first byte (PostgreSQL 17 and newer), without asking.
    `channel_binding`: a proof that is not bound to the target's certificate is refused. `auth` is
    `scram`, or names `md5`, `password` (in clear) or `certificate` in its place. `ssh` is None for
    Postgres.
    """

    name: str
    kind: TargetKind
    host: str
    port: int
    database: str = ""
    accounts: Mapping[str, Account] = field(default_factory=dict)
    tls: TargetTls = TargetTls.PREFER
    tls_ca: str = ""
    direct_tls: bool = False
    channel_binding: bool = False
    auth: str = "scram"
    environment: str = ""
    labels: frozenset[str] = frozenset()
    owner: str = ""
    slack_detail: str = "full"
    trusted_code: frozenset[str] = frozenset()
    login_shell: str = "bash"
    ssh: SshWay | None = None
