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

from gatekeep.demo import seed, ssh_target
from gatekeep.demo.embedded import HOST
from gatekeep.demo.one_time import new_secret
from gatekeep.demo.ssh_process import ensure_key
from gatekeep.errors import SettingsError
from gatekeep.identity.passwords import hashed
from gatekeep.settings import Settings, default_config_dir

PEOPLE = {"alice": "engineers", "bob": "dba", "carol": "security"}
TARGET = "orders"
WITH_CODES = ("bob",)
"""Who has one-time codes, because high risk is approved with one."""
ACCOUNTS = ("app_rw",)
"""The accounts offered: one, so that nobody has to name it."""
SSH_TARGET = "web-1"


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

    @property
    def gateway_key(self) -> Path:
        """The private key by which the gateway signs in to the SSH target."""
        return self.state / "secrets" / "web-1.key"

    def ssh_key(self, name: str) -> Path:
        """A principal's private key for the SSH door."""
        return self.state / "ssh" / name

    def web_password(self, name: str) -> Path:
        """A principal's password for browsers."""
        return self.state / "passwords" / name

    def password_line(self, name: str) -> Path:
        """The hash line of it, which principals.yaml refers to."""
        return self.state / "secrets" / f"{name}.hash"

    def code_secret(self, name: str) -> Path:
        """The base32 secret of a principal's one-time codes."""
        return self.state / "secrets" / f"{name}.totp"

    def password(self, account: str) -> Path:
        """The file with one account's password on the target."""
        return self.state / "secrets" / account


def account_passwords(files: DemoFiles) -> dict[str, str]:
    """The target's passwords, `postgres` for its superuser; made at the first start."""
    return {name: _secret(files.password(name)) for name in (*seed.ACCOUNTS, "postgres")}


def offers_ssh() -> bool:
    """Whether this gateway has a door for SSH: its settings know of one."""
    return "ssh" in Settings.model_fields


def gateway_key(files: DemoFiles) -> str:
    """The public line of the key that the SSH target lets in; made at the first start."""
    return ensure_key(files.gateway_key, "gatekeep demo")


@dataclass(frozen=True, slots=True)
class Ports:
    """The TCP ports of one start; `ssh` is the door, 0 where there is none."""

    target: int
    door: int
    http: int
    ssh: int = 0


@dataclass(frozen=True, slots=True)
class SshMachine:
    """The SSH target as it was started: its port, and the public line of its host key."""

    port: int
    public_key: str


def write_configuration(
    files: DemoFiles,
    ports: Ports,
    certificate: tuple[Path, Path],
    machine: SshMachine | None = None,
) -> None:
    """Write settings and targets (their ports change), and the rest where it is missing.

    `certificate` are the PEM files of the door's certificate and key; `machine` is the SSH target,
    None where the gateway has no door for it. Raises SettingsError where what is there was made
    before there was one: nobody in it has a key or a code, and no rule lets anybody in.
    """
    people = files.config / "principals.yaml"
    later = [files.code_secret(name) for name in WITH_CODES]
    later += [files.ssh_key(next(iter(PEOPLE)))] if machine is not None else []
    if people.exists() and not all(file.exists() for file in later):
        raise SettingsError(
            "an older version made this demo, without what is needed for SSH or approvals",
            file=str(people),
            fix=f"remove {files.state} and {files.keys}: the next start makes a new one",
        )
    files.config.mkdir(parents=True, exist_ok=True)
    targets = [_database(files, ports.target)]
    if machine is not None:
        targets.append(_ssh_target(files, machine))
    _write_yaml(files.config / "targets.yaml", {"targets": targets})
    if not people.exists():
        _write_yaml(people, _principals(files, machine))
    policy = files.config / "policy"
    if not policy.exists():
        policy.mkdir()
        preset = default_config_dir() / "policy" / "balanced.cedar"
        (policy / preset.name).write_text(preset.read_text())
    settings = _settings(files, ports, certificate)
    if machine is not None:
        settings["ssh"] = {"host": HOST, "port": ports.ssh}
    _write_yaml(files.settings, settings)


def _database(files: DemoFiles, port: int) -> object:
    return {
        "name": TARGET,
        "kind": "postgres",
        "host": HOST,
        "port": port,
        "database": seed.DATABASE,
        "environment": "prod",
        "owner": "shop-team",
        "tls": "disable",
        "accounts": {account: f"file:{files.password(account)}" for account in ACCOUNTS},
    }


def _ssh_target(files: DemoFiles, machine: SshMachine) -> object:
    return {
        "name": SSH_TARGET,
        "kind": "ssh",
        "host": HOST,
        "port": machine.port,
        "environment": "staging",
        "owner": "web-team",
        "host_keys": [" ".join(machine.public_key.split()[:2])],
        "accounts": {ssh_target.ACCOUNT: {"key": f"file:{files.gateway_key}"}},
    }


def _principals(files: DemoFiles, machine: SshMachine | None) -> object:
    people: list[dict[str, object]] = [
        {"name": name, "person": name, "groups": [group]} for name, group in PEOPLE.items()
    ]
    for one in people if machine is not None else ():
        one["keys"] = [ensure_key(files.ssh_key(str(one["name"])), str(one["name"]))]
    for one in people:
        one["password"] = f"file:{_password_line(files, str(one['name']))}"
        if one["name"] in WITH_CODES:
            codes = files.code_secret(str(one["name"]))
            _secret(codes, new_secret())
            one["totp"] = f"file:{codes}"
    return {"principals": people}


def _password_line(files: DemoFiles, name: str) -> Path:
    """The file with the hash line of a principal's password; both made now if they are missing."""
    password, line = _secret(files.web_password(name)), files.password_line(name)
    if not line.exists():
        _secret(line, hashed(password))
    return line


def _settings(
    files: DemoFiles, ports: Ports, certificate: tuple[Path, Path]
) -> dict[str, object]:
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


def _secret(path: Path, value: str = "") -> str:
    """The secret in a file that only we may read, made now if it is missing (drawn, if unnamed)."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(value or secrets.token_urlsafe(24))
    return path.read_text()
