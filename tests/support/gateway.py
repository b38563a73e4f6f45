"""A real gateway in a process of its own, configured for one PostgreSQL, for journeys and benches."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

PERMISSIVE = """
@id("test-open")
@why("Tests open sessions.")
permit(principal, action == Action::"session.open", resource);

@id("test-all-sql")
@why("Tests run everything that is not forbidden below.")
permit(principal, action in Action::"sql", resource);

@id("test-ssh")
@why("Tests run everything that is not forbidden below.")
permit(principal, action in Action::"ssh", resource);

@id("test-sftp")
@why("Tests move all files.")
permit(principal, action in Action::"sftp", resource);

@id("test-tunnels")
@why("Tests tunnel to everywhere.")
permit(principal, action in [Action::"tunnel.open", Action::"tunnel.listen"], resource);

@id("test-gateway")
@why("Tests read the log and make tokens.")
permit(principal, action in Action::"gateway", resource);
"""

_READY_S = 60


@dataclass
class Gateway:
    """Where it lives and what it is given; `start` runs `gatekeep serve` and waits until ready.

    `accounts` maps account to password on the target. `policy` is Cedar text. `more_targets` are
    further items of targets.yaml; with a `target_port` of 0 there are no others. `principal_keys`
    are the SSH public keys of principals, `principal_extra` what else principals.yaml says of them.
    """

    directory: Path
    target_port: int
    accounts: Mapping[str, str]
    database: str = "postgres"
    policy: str = PERMISSIVE
    tls: str = "off"
    groups: Mapping[str, str] = field(default_factory=lambda: {"alice": "engineers"})
    extra_settings: Mapping[str, Any] = field(default_factory=dict)
    target_extra: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    more_targets: Sequence[Mapping[str, Any]] = ()
    principal_keys: Mapping[str, Sequence[str]] = field(default_factory=dict)
    principal_extra: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    ready: dict[str, Any] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def state(self) -> Path:
        """The state directory."""
        return self.directory / "state"

    @property
    def keys(self) -> Path:
        """The key directory."""
        return self.directory / "keys"

    @property
    def journal(self) -> Path:
        """The journal's directory."""
        return self.state / "journal"

    @property
    def config(self) -> Path:
        """The settings file."""
        return self.directory / "config" / "gatekeep.yaml"

    @property
    def port(self) -> int:
        """The Postgres door's port."""
        return int(self.ready["doors"]["postgres"]["port"])

    @property
    def ssh_port(self) -> int:
        """The SSH door's port."""
        return int(self.ready["doors"]["ssh"]["port"])

    @property
    def log(self) -> str:
        """Its diagnostics so far."""
        path = self.directory / "gateway.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self) -> None:
        """Start it and wait until it is ready; makes tokens at the first start."""
        self._configure()
        ready_file = self.directory / "ready.json"
        ready_file.unlink(missing_ok=True)
        with (self.directory / "gateway.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self._cli(), "serve", "--ready-file", str(ready_file)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment(),
            )  # fmt: skip
        self._await(ready_file)
        self.ready = json.loads(ready_file.read_text())
        for name in self.groups:
            if name not in self.tokens:
                self.tokens[name] = self._token(name)

    def stop(self, sign: int = signal.SIGTERM, limit_s: float = 30) -> int:
        """Signal it, wait for its end, and return its exit code."""
        process, self.process = self.process, None
        if process is None:
            return 0
        process.send_signal(sign)
        try:
            return process.wait(limit_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    def run(self, *arguments: str, limit_s: float = 120) -> subprocess.CompletedProcess[str]:
        """Run the command line against this gateway's configuration."""
        return subprocess.run(
            [*self._cli(), *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=limit_s, check=False, env=self._environment(),
        )  # fmt: skip

    def verify(self) -> subprocess.CompletedProcess[str]:
        """`audit verify` over its own log with its own keys."""
        return self.run("audit", "verify", str(self.journal), "--keys", str(self.keys))

    def dsn(self, name: str = "alice", account: str = "") -> str:
        """A libpq connection string through the door."""
        who = f"{name}+{account}" if account else name
        return (
            f"host=127.0.0.1 port={self.port} user={who} dbname=orders "
            f"password={self.tokens[name]}"
        )

    def processes(self) -> list[int]:
        """The gateway's process id and those of its children."""
        assert self.process is not None
        found = [self.process.pid]
        for pid in found:
            children = Path(f"/proc/{pid}/task/{pid}/children")
            if children.exists():
                found.extend(int(child) for child in children.read_text().split())
        return found

    def _cli(self) -> list[str]:
        return [sys.executable, "-m", "gatekeep.cli.main"]

    def _environment(self) -> dict[str, str]:
        return {
            **{k: v for k, v in os.environ.items() if not k.startswith("GATEKEEP_")},
            "GATEKEEP_CONFIG": str(self.config),
            **self.environment,
        }

    def _token(self, name: str) -> str:
        made = self.run("tokens", "new", name, "-o", "json")
        if made.returncode:
            raise RuntimeError(f"no token: {made.stderr}{self.log}")
        return str(json.loads(made.stdout)["secret"])

    def _await(self, ready_file: Path) -> None:
        assert self.process is not None
        deadline = time.monotonic() + _READY_S
        while not ready_file.exists():
            try:
                code = self.process.wait(0.05)
            except subprocess.TimeoutExpired:
                if time.monotonic() > deadline:
                    self.process.kill()
                    raise RuntimeError(f"the gateway was not ready in time: {self.log}") from None
                continue
            raise RuntimeError(f"the gateway ended with {code}: {self.log}")

    def _configure(self) -> None:
        config = self.config.parent
        (config / "policy").mkdir(parents=True, exist_ok=True)
        (config / "policy" / "test.cedar").write_text(self.policy)
        for account, password in self.accounts.items():
            secret = self.directory / f"secret-{account}"
            secret.write_text(password)
            secret.chmod(0o600)
        target = {
            "name": "orders", "kind": "postgres", "host": "127.0.0.1", "port": self.target_port,
            "database": self.database, "environment": "test", "tls": "disable",
            "accounts": {a: f"file:{self.directory / f'secret-{a}'}" for a in self.accounts},
            **self.target_extra,
        }  # fmt: skip
        people = [
            {"name": n, "person": n, "groups": [g], "keys": list(self.principal_keys.get(n, ())),
             **self.principal_extra.get(n, {})}
            for n, g in self.groups.items()
        ]  # fmt: skip
        settings = {
            "state_dir": str(self.state), "keys_dir": str(self.keys),
            "targets": str(config / "targets.yaml"),
            "principals": str(config / "principals.yaml"),
            "policy": {"dir": str(config / "policy")},
            "postgres": {"host": "127.0.0.1", "port": 0, "tls": self.tls},
            "ssh": {"port": 0},
            "http": {"host": "127.0.0.1", "port": 0},
        }  # fmt: skip
        for key, value in self.extra_settings.items():
            settings[key] = {**settings.get(key, {}), **value} if isinstance(value, dict) else value
        _write(config / "targets.yaml", {"targets": [target] * bool(self.target_port) + list(self.more_targets)})
        _write(config / "principals.yaml", {"principals": people})
        _write(self.config, settings)


def _write(path: Path, content: object) -> None:
    path.write_text(yaml.safe_dump(content, sort_keys=False))
