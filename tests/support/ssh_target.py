"""A real OpenSSH sshd on loopback for tests, in a directory that goes away with it.

Runs as root or as anybody: people sign in as whoever runs the tests, with keys that a test
authorises; `HOME` is a directory of ours (sshd itself begins in the real one). Knows no gateway.
"""

from __future__ import annotations

import atexit
import contextlib
import grp
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from gatekeep.demo.embedded import free_port

HOST = "127.0.0.1"
SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")
SFTP_SERVERS = (
    "/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/lib/ssh/sftp-server",
    "/usr/libexec/sftp-server", "/usr/lib/sftp-server",
)  # fmt: skip
_START_S = 20
_ATTEMPTS = 5


def needed() -> None:
    """Skip where there is no OpenSSH: only the prepared machine promises one."""
    for program in ("ssh", "ssh-keygen"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    if SSHD is None:
        pytest.skip("sshd is not installed")


def gives_terminals() -> bool:
    """Whether an sshd of ours can hand out terminals.

    One that is not root's cannot where /dev/pts is mounted without its group, `tty`: it may not
    change the group of a terminal, and ends the connection.
    """
    ours, theirs = os.openpty()
    try:
        with contextlib.suppress(KeyError):
            return os.geteuid() == 0 or os.fstat(theirs).st_gid == grp.getgrnam("tty").gr_gid
        return True
    finally:
        os.close(ours)
        os.close(theirs)


def make_key(path: Path, comment: str = "") -> Path:
    """A new ed25519 key without a passphrase; its public half lies beside it as `.pub`."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)],
        check=True, timeout=20,
    )  # fmt: skip
    return path


def descendants(pid: int) -> list[int]:
    """Every process below one, nearest first."""
    found: list[int] = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            found += [int(one) for one in children.read_text().split()]
    return found + [below for one in found for below in descendants(one)]


class SshTarget:
    """One running sshd. `settings` are further lines of `sshd_config`, which win over ours.

    `account` is the only name that signs in, `key` a key that it may use, `host_key` the public
    line that it shows, `home` what its shells have for `HOME`.
    Raises RuntimeError with its log if it does not start.
    """

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        needed()
        self.host = HOST
        self.account = pwd.getpwuid(os.geteuid()).pw_name
        self.directory = Path(tempfile.mkdtemp(prefix="gk-s-"))
        self.home = self.directory / "home"
        self.home.mkdir()
        self.key = make_key(self.directory / "key", "journeys")
        self._host_key = make_key(self.directory / "host_key", "target")
        self.authorized_keys = self.directory / "authorized_keys"
        self.authorized_keys.write_text(self.key.with_suffix(".pub").read_text())
        self._log = self.directory / "log"
        self._settings = dict(settings or {})
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0
        atexit.register(self.stop)
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    @property
    def host_key(self) -> str:
        """Type and key, without a comment."""
        return " ".join((self.directory / "host_key.pub").read_text().split()[:2])

    @property
    def known_hosts(self) -> str:
        """The line of a known_hosts file that knows it."""
        return f"[{self.host}]:{self.port} {self.host_key}\n"

    @property
    def pid(self) -> int:
        """Process id of the listening sshd; 0 when it is not running."""
        return self._process.pid if self._process else 0

    def authorize(self, public_key: str) -> None:
        """Let one more key in; options may stand before it, as in any authorized_keys."""
        with self.authorized_keys.open("a") as file:
            file.write(public_key.rstrip("\n") + "\n")

    def log(self) -> str:
        """What it logged so far (LogLevel VERBOSE: sign-ins, commands, refusals)."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def connections(self) -> int:
        """How many connections it serves now."""
        return len(self._children())

    def stop(self) -> None:
        """End it and everything that runs under it; a second call does nothing."""
        atexit.unregister(self.stop)
        self._end()
        shutil.rmtree(self.directory, ignore_errors=True)

    def restart(self) -> None:
        """End what runs, and start again on the same port: with another host key, if it has one."""
        self._end()
        self._run()
        if not self._answers():
            raise RuntimeError(f"sshd did not start again:\n{self.log()[-2000:]}")

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            below = descendants(process.pid)
            process.kill()
            process.wait(10)
            for pid in below:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _children(self) -> list[int]:
        with contextlib.suppress(FileNotFoundError):
            path = Path(f"/proc/{self.pid}/task/{self.pid}/children")
            return [int(one) for one in path.read_text().split()]
        return []

    def _start(self) -> None:
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where it separates privileges
        for _ in range(_ATTEMPTS):
            self.port = free_port()
            (self.directory / "sshd_config").write_text(self._configuration())
            self._run()
            if self._answers():
                return
            self._end()
        raise RuntimeError(f"sshd did not start:\n{self.log()[-2000:]}")

    def _run(self) -> None:
        self._process = subprocess.Popen(
            [str(SSHD), "-D", "-f", str(self.directory / "sshd_config"), "-E", str(self._log)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def _answers(self) -> bool:
        deadline = time.monotonic() + _START_S
        while self._process and self._process.poll() is None and time.monotonic() < deadline:
            with (
                contextlib.suppress(OSError),
                socket.create_connection((self.host, self.port), timeout=2) as probe,
            ):
                if probe.recv(8).startswith(b"SSH-"):
                    return True
            time.sleep(0.02)
        return False

    def _configuration(self) -> str:
        sftp = next((path for path in SFTP_SERVERS if Path(path).exists()), "internal-sftp")
        environment = {
            "HOME": self.home, "HISTFILE": "/dev/null", "PATH": os.environ.get("PATH", os.defpath),
        }  # fmt: skip
        ours = {
            "ListenAddress": f"{self.host}:{self.port}",
            "HostKey": self.directory / "host_key",
            "AuthorizedKeysFile": self.authorized_keys,
            "PidFile": "none",
            "UsePAM": "no",
            "StrictModes": "no",  # our directory lies under one that anybody may write to
            "PermitRootLogin": "yes",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
            "PrintMotd": "no",
            "PrintLastLog": "no",
            "LogLevel": "VERBOSE",
            "MaxSessions": "400",
            "MaxStartups": "200",
            "LoginGraceTime": "30",
            "AcceptEnv": "LANG LC_* COLORTERM",
            "AllowAgentForwarding": "yes",
            "AllowTcpForwarding": "yes",
            "AllowStreamLocalForwarding": "yes",
            "StreamLocalBindUnlink": "yes",
            "X11Forwarding": "no",
            "PermitTTY": "yes",
            "Subsystem": f"sftp {sftp}",
            "SetEnv": " ".join(f'{name}="{value}"' for name, value in environment.items()),
        }
        lines = [f"{name} {value}" for name, value in {**ours, **self._settings}.items()]
        return "\n".join(lines) + "\n"
