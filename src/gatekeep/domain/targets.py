"""Targets: what is reached through gatekeep, and the accounts used on them."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field


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
    are references (`env:NAME`, `file:/path`), never values; empty where there is none.
    """

    name: str
    secret: str = ""
    certificate: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """One SSH host or Postgres server, by its alias `name`.

    `direct_tls`: TLS begins with the first byte (PostgreSQL 17 and newer), without asking.
    `channel_binding`: a proof that is not bound to the target's certificate is refused. `auth` is
    `scram`, or names `md5`, `password` (in clear) or `certificate` in its place.
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
