"""A real PostgreSQL for tests: the demo's embedded one, in a directory that goes away with it.

Holds no test data: each test makes its own database.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from gatekeep.demo.embedded import HOST, SUPERUSER, EmbeddedPostgres, free_port, wheel_binaries

__all__ = ["PostgresServer", "free_port", "wheel_binaries"]


class PostgresServer:
    """One running server. `settings` are extra `postgresql.conf` lines, `bin_dir` other binaries.

    Raises SettingsError with the server's log if it does not start.
    """

    def __init__(
        self,
        *,
        password: str = "only-for-tests",  # noqa: S107 - a throw-away server on loopback
        settings: Mapping[str, str] | None = None,
        bin_dir: Path | None = None,
    ) -> None:
        self.host = HOST
        self.user = SUPERUSER
        self.password = password
        self.directory = Path(tempfile.mkdtemp(prefix="gk-pg-"))
        quick = {
            "fsync": "off",
            "full_page_writes": "off",
            "synchronous_commit": "off",
            "autovacuum": "off",
        }
        try:
            self._embedded = EmbeddedPostgres(
                self.directory, password, settings={**quick, **(settings or {})}, binaries=bin_dir
            )
            self._embedded.start()
        except BaseException:
            shutil.rmtree(self.directory, ignore_errors=True)
            raise
        atexit.register(self.stop)

    @property
    def port(self) -> int:
        """Its TCP port on loopback."""
        return self._embedded.port

    @property
    def psql(self) -> Path:
        """The psql that belongs to these binaries."""
        return self._embedded.psql

    def dsn(
        self, *, database: str = "postgres", user: str | None = None, password: str | None = None
    ) -> str:
        """A connection URI, as asyncpg, psycopg and psql take it."""
        name = quote(user or self.user, safe="")
        secret = quote(self.password if password is None else password, safe="")
        return f"postgresql://{name}:{secret}@{self.host}:{self.port}/{quote(database, safe='')}"

    def log(self) -> str:
        """What the server wrote to its diagnostics so far."""
        path = self.directory / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def stop(self) -> None:
        """Stop at once and remove the directory; a second call does nothing."""
        atexit.unregister(self.stop)
        self._embedded.stop(at_once=True)
        shutil.rmtree(self.directory, ignore_errors=True)
