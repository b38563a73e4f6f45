"""Writes the demo's own configuration into its state directory: targets, principals, settings.

A second start keeps what is there, so that what a visitor changed stays changed. Passwords of the
target's accounts are files beside it, referred to and never shown.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

import yaml

from gatekeep.demo import seed
from gatekeep.settings import default_config_dir

PEOPLE = {"alice": "engineers", "bob": "dba", "carol": "security"}
TARGET = "orders"
ACCOUNTS = ("app_rw",)
"""The accounts offered: one, so that nobody has to name it."""


@dataclass(frozen=True, slots=True)
class DemoFiles:
    """Where everything of one demo lives."""

    state: Path

    @property
    def keys(self) -> Path:
        """The key ring, beside the state and never inside it."""
        return self.state.with_name(self.state.name + ".keys")

    @property
    def config(self) -> Path:
        """Settings, targets, principals and policy."""
        return self.state / "config"

    @property
    def settings(self) -> Path:
        """The settings file."""
        return self.config / "gatekeep.yaml"

    @property
    def tokens(self) -> Path:
        """One file a principal with its access token."""
        return self.state / "tokens"

    def password(self, account: str) -> Path:
        """The file with one account's password on the target."""
        return self.state / "secrets" / account


def account_passwords(files: DemoFiles) -> dict[str, str]:
    """The target's passwords, `postgres` for its superuser; made at the first start."""
    return {name: _secret(files.password(name)) for name in (*seed.ACCOUNTS, "postgres")}


@dataclass(frozen=True, slots=True)
class Ports:
    """The TCP ports of one start."""

    target: int
    door: int
    http: int


def write_configuration(files: DemoFiles, ports: Ports, certificate: tuple[Path, Path]) -> None:
    """Write settings and targets (their ports change), and the rest where it is missing.

    `certificate` are the PEM files of the door's certificate and key.
    """
    files.config.mkdir(parents=True, exist_ok=True)
    _write_yaml(files.config / "targets.yaml", _targets(files, ports.target))
    if not (files.config / "principals.yaml").exists():
        _write_yaml(files.config / "principals.yaml", _principals())
    policy = files.config / "policy"
    if not policy.exists():
        policy.mkdir()
        preset = default_config_dir() / "policy" / "balanced.cedar"
        (policy / preset.name).write_text(preset.read_text())
    _write_yaml(files.settings, _settings(files, ports, certificate))


def _targets(files: DemoFiles, port: int) -> object:
    return {
        "targets": [
            {
                "name": TARGET,
                "kind": "postgres",
                "host": "127.0.0.1",
                "port": port,
                "database": seed.DATABASE,
                "environment": "prod",
                "owner": "shop-team",
                "tls": "disable",
                "accounts": {account: f"file:{files.password(account)}" for account in ACCOUNTS},
            }
        ]
    }


def _principals() -> object:
    return {
        "principals": [
            {"name": name, "person": name, "groups": [group]} for name, group in PEOPLE.items()
        ]
    }


def _settings(files: DemoFiles, ports: Ports, certificate: tuple[Path, Path]) -> object:
    return {
        "state_dir": str(files.state),
        "keys_dir": str(files.keys),
        "targets": str(files.config / "targets.yaml"),
        "principals": str(files.config / "principals.yaml"),
        "policy": {"dir": str(files.config / "policy")},
        "postgres": {
            "host": "127.0.0.1",
            "port": ports.door,
            "tls": "prefer",
            "certificate": str(certificate[0]),
            "key": str(certificate[1]),
        },
        "http": {"host": "127.0.0.1", "port": ports.http},
    }


def _write_yaml(path: Path, content: object) -> None:
    path.write_text(yaml.safe_dump(content, sort_keys=False))


def _secret(path: Path) -> str:
    """The secret in a file that only we may read, made now if it is missing."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(24))
    return path.read_text()
