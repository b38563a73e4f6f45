"""Ways to an SSH target, straight and through a gateway, and real clients that go them.

A story is a function of a way; `same` runs it straight and on the way under test, and compares.
What a story sees of the target is taken from the straight way, never written down twice.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from support.gateway import Gateway
from support.ssh_target import SshTarget, make_key

from gatekeep.identity.ssh_keys import ensure_ssh_keys

LIMIT_S = 60
T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """What a client program ended with."""

    code: int
    out: bytes
    err: bytes = b""


@dataclass(frozen=True)
class Inner:
    """A target as it is named behind a jump host; `hop` is how one signs in at that."""

    host: str
    port: int
    login: str
    known_hosts: str
    alias: str = ""
    hop: str = ""


@dataclass(frozen=True)
class SshWay:
    """One way to `target`; `ssh web-1` of its configuration goes it, `ssh inner` jumps over it.

    `known_hosts` are the lines that know the near end. `directory` is for its own files.
    """

    name: str
    target: SshTarget
    directory: Path
    host: str
    port: int
    login: str
    known_hosts: str
    inner: Inner
    straight: SshWay | None = None

    @property
    def key(self) -> Path:
        """The person's private key."""
        return self.target.key

    @property
    def config(self) -> Path:
        """An ssh_config that knows nothing of the machine's own."""
        path = self.directory / "ssh_config"
        if not path.exists():
            known, inner_known = self.directory / "known", self.directory / "inner_known"
            known.write_text(self.known_hosts)
            inner_known.write_text(self.inner.known_hosts)
            path.write_text(self._stanzas(known, inner_known))
        return path

    def _stanzas(self, known: Path, inner_known: Path) -> str:
        alias = f"HostKeyAlias {self.inner.alias}" if self.inner.alias else ""
        return f"""
Host web-1
    HostName {self.host}
    Port {self.port}
    User {self.login}
    UserKnownHostsFile {known}
Host inner
    HostName {self.inner.host}
    Port {self.inner.port}
    User {self.inner.login}
    UserKnownHostsFile {inner_known}
    ProxyJump hop
    {alias}
Host hop
    HostName {self.host}
    Port {self.port}
    User {self.inner.hop or self.login}
    UserKnownHostsFile {known}
Host *
    IdentityFile {self.key}
    IdentitiesOnly yes
    IdentityAgent none
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    UpdateHostKeys no
    BatchMode yes
    ControlPath none
    ConnectTimeout 20
    LogLevel ERROR
"""

    def line(self, program: str, *arguments: str) -> list[str]:
        """A command line of `ssh`, `scp` or `sftp` with this way's configuration."""
        return [program, "-F", str(self.config), *arguments]

    @property
    def ssh_words(self) -> str:
        """For programs that want ssh as one string (rsync, git)."""
        return f"ssh -F {self.config}"

    def ssh(self, command: str, *options: str, stdin: bytes = b"", limit_s: int = LIMIT_S) -> Answer:
        """`ssh web-1 command`, its input given and ended."""
        return finished(self.line("ssh", *options, "web-1", command), stdin=stdin, limit_s=limit_s)

    @contextmanager
    def running(self, program: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """A client that goes on in the background; ended at the end."""
        process = subprocess.Popen(
            self.line(program, *arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=environment(),
        )  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.communicate(timeout=LIMIT_S)


def environment() -> dict[str, str]:
    """Ours, in a language that every machine has, and without agents and git's own settings."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LC_", "SSH_", "GIT_"))
    }
    return {**kept, "LANG": "C.UTF-8"}


def finished(
    command: list[str],
    *,
    stdin: bytes = b"",
    limit_s: int = LIMIT_S,
    cwd: Path | None = None,
    more: dict[str, str] | None = None,
) -> Answer:
    """Run a program to its end."""
    done = subprocess.run(
        command, input=stdin, capture_output=True, timeout=limit_s, check=False, cwd=cwd,
        env={**environment(), **(more or {})},
    )  # fmt: skip
    return Answer(done.returncode, done.stdout, done.stderr)


def same(way: SshWay, story: Callable[[SshWay], T]) -> T:
    """What `story` found on this way, which is what it finds on the straight one."""
    found = story(way)
    if way.straight is not None:
        expected = story(way.straight)
        assert found == expected, f"{way.name}: {found!r:.800} and direct: {expected!r:.800}"
    return found


def until(holds: Callable[[], object], what: str, limit_s: float = LIMIT_S) -> None:
    """Wait for a fact."""
    deadline = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {limit_s:.0f} s: {what}"
        time.sleep(0.02)


def straight_way(target: SshTarget, directory: Path) -> SshWay:
    """To the target itself; a jump goes through the target to itself."""
    directory.mkdir(exist_ok=True)
    inner = Inner(target.host, target.port, target.account, target.known_hosts)
    return SshWay(
        "direct", target, directory, target.host, target.port, target.account,
        target.known_hosts, inner,
    )  # fmt: skip


def ssh_gateway(target: SshTarget, directory: Path, **more: Any) -> Gateway:
    """A gateway before `target`, not started: target `web-1`, principal `alice` with its key."""
    door_key = make_key(directory / "door-key", "gateway")
    target.authorize(door_key.with_suffix(".pub").read_text())
    web = {
        "name": "web-1", "kind": "ssh", "host": target.host, "port": target.port,
        "host_keys": [target.host_key], "environment": "test",
        "accounts": {target.account: {"key": f"file:{door_key}"}}, **more.pop("target_extra", {}),
    }  # fmt: skip
    keys = {"alice": [target.key.with_suffix(".pub").read_text().strip()]}
    return Gateway(
        directory, 0, {}, more_targets=[web, *more.pop("more_targets", ())],
        principal_keys={**keys, **more.pop("principal_keys", {})}, **more,
    )  # fmt: skip


def way_through(
    gateway: Gateway, target: SshTarget, directory: Path, straight: SshWay | None
) -> SshWay:
    """The way through a running gateway."""
    directory.mkdir(exist_ok=True)
    keys = ensure_ssh_keys(gateway.keys)
    shown = " ".join(keys.host.export_public_key().decode().split()[:2])
    known = f"[127.0.0.1]:{gateway.ssh_port} {shown}\n"
    inner = Inner("web-1", 22, target.account, f"{keys.authority_line}\n", "gatekeep.web-1", "alice")
    return SshWay(
        "gateway", target, directory, "127.0.0.1", gateway.ssh_port, "alice+web-1", known, inner,
        straight,
    )  # fmt: skip


def gateway_way(target: SshTarget, directory: Path, straight: SshWay) -> Iterator[SshWay]:
    """Through a gateway's SSH door, with everything permitted and recorded."""
    directory.mkdir(exist_ok=True)
    gateway = ssh_gateway(target, directory)
    gateway.start()
    try:
        yield way_through(gateway, target, directory, straight)
    finally:
        gateway.stop()
