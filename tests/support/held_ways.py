"""Ways in which real clients run a statement that may be held: psql, psycopg and asyncpg.

Each is one connection through the door of an asking gateway. What they say is told alike, so that a
story can be told once for all.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import re
import signal
import termios
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import asyncpg
import psycopg
from psycopg.pq import TransactionStatus
from support.asking_gateway import LIMIT_S, Asking, until
from support.postgres_server import wheel_binaries

DELETE = "DELETE FROM {} WHERE id = 1"


@dataclass(frozen=True)
class Told:
    """A notice or an error, as the client shows it to its user; of success only `primary`, the tag."""

    primary: str
    sqlstate: str = ""
    detail: str = ""
    hint: str = ""
    context: str = ""


class Way(Protocol):
    """One connection, and how it runs one row's DELETE. `piped`: behind a SELECT in a pipeline."""

    piped: bool
    notices: list[Told]

    async def open(self, asking: Asking) -> None:
        """Connect."""

    async def run(self, text: str) -> None:
        """Run something that nobody is asked about."""

    async def delete(self, table: str) -> Told:
        """What the user is told in the end."""

    async def cancel(self) -> None:
        """The user has changed his mind."""

    async def status(self) -> str:
        """I, T or E as the client believes; empty if it does not say."""

    async def close(self) -> None:
        """Leave."""


class Psycopg:
    """psycopg, with one of its ways to send."""

    def __init__(self, how: str) -> None:
        self._how = how
        self.piped = how == "pipeline"
        self.notices: list[Told] = []

    async def open(self, asking: Asking) -> None:
        """In autocommit."""
        self.connection = await asking.connect()
        self.connection.add_notice_handler(lambda note: self.notices.append(_told(note)))

    async def run(self, text: str) -> None:
        """As simple query."""
        await self.connection.execute(text.encode())

    async def delete(self, table: str) -> Told:
        """Its cursor's tag, or the diagnostics of its error."""
        text = DELETE.format(table)
        try:
            if self._how == "extended":
                cursor = await self.connection.execute(text.replace("1", "%s").encode(), [1])
            elif self._how == "pipeline":
                async with self.connection.pipeline():
                    await self.connection.execute("SELECT 1")
                    cursor = await self.connection.execute(text.encode())
            else:
                cursor = await self.connection.execute(text.encode())
        except psycopg.Error as error:
            return _told(error.diag)
        return Told(cursor.statusmessage or "")

    async def cancel(self) -> None:
        """By a CancelRequest."""
        await self.connection.cancel_safe()

    async def status(self) -> str:
        """As libpq says."""
        return {
            TransactionStatus.IDLE: "I", TransactionStatus.INTRANS: "T",
            TransactionStatus.INERROR: "E",
        }[self.connection.info.transaction_status]  # fmt: skip

    async def close(self) -> None:
        """With a good-bye."""
        await self.connection.close()


def _told(diag: Any) -> Told:
    return Told(
        diag.message_primary or "", diag.sqlstate or "", diag.message_detail or "",
        diag.message_hint or "", diag.context or "",
    )  # fmt: skip


class Asyncpg:
    """asyncpg, in simple or extended protocol. It tells nobody what a cancel was answered."""

    piped = False

    def __init__(self, how: str) -> None:
        self._values = [1] if how == "extended" else []
        self.notices: list[Told] = []
        self._running: asyncio.Task[str] | None = None

    async def open(self, asking: Asking) -> None:
        """Without TLS, which the door does not speak here."""
        self.connection = await asyncpg.connect(
            host="127.0.0.1", port=asking.gateway.postgres_port, database="orders", user="alice",
            password=asking.secrets["alice"], ssl=False,
        )  # fmt: skip
        self.connection.add_log_listener(lambda _, note: self.notices.append(_shown(note)))

    async def run(self, text: str) -> None:
        """As simple query."""
        await self.connection.execute(text)

    async def delete(self, table: str) -> Told:
        """The tag, or the error's fields."""
        text = DELETE.format(table)
        if self._values:
            text = text.replace("1", "$1")
        self._running = asyncio.ensure_future(self.connection.execute(text, *self._values))
        try:
            return Told(await self._running)
        except asyncio.CancelledError:
            return Told("")
        except asyncpg.PostgresError as error:
            return _shown(error)

    async def cancel(self) -> None:
        """As a task is cancelled."""
        assert self._running is not None
        self._running.cancel()

    async def status(self) -> str:
        """It tells only whether there is a transaction."""
        return "" if self.connection.is_in_transaction() else "I"

    async def close(self) -> None:
        """With a good-bye."""
        await self.connection.close(timeout=LIMIT_S)


def _shown(told: Any) -> Told:
    fields = (told.message, told.sqlstate, told.detail, told.hint, told.context)
    return Told(*(field or "" for field in fields))


class Psql:
    """psql 18 under a terminal. Its prompt says how the transaction stands."""

    def __init__(self, how: str, *settings: str) -> None:
        self._how = how
        self._settings = settings or ("VERBOSITY=verbose", "SHOW_CONTEXT=always")
        self.piped = how == "pipeline"
        self.seen = ""
        self._count = 0

    async def open(self, asking: Asking) -> None:
        """Start it; it shows nothing but its prompt."""
        ours, theirs = pty.openpty()
        mode = termios.tcgetattr(theirs)
        mode[1] &= ~termios.OPOST
        mode[3] &= ~termios.ECHO
        termios.tcsetattr(theirs, termios.TCSANOW, mode)
        self._terminal = ours
        options = [f"--set={one}" for one in ("PROMPT1=%x> ", "PROMPT2=", *self._settings)]
        self._process = await asyncio.create_subprocess_exec(
            str(wheel_binaries() / "psql"), "-X", "-n", "-q", *options, asking.dsn(),
            stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            env={**os.environ, "TERM": "dumb", "LC_ALL": "C.UTF-8", "PAGER": ""},
        )  # fmt: skip
        os.close(theirs)
        asyncio.get_running_loop().add_reader(ours, self._read)
        await self._typed("\\set QUIET off")  # now that it has not greeted: it shows tags

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            self.seen += os.read(self._terminal, 65536).decode()

    async def _typed(self, *lines: str) -> str:
        """What it shows for these lines."""
        self.seen = ""
        self._count += 1
        end = f"end of {self._count}"
        typed = [*lines, f"\\echo {end}"]
        os.write(self._terminal, "".join(f"{line}\n" for line in typed).encode())
        over = re.compile(rf"{end}\n([*!?]?)> $")
        await until(lambda: over.search(self.seen), "psql prompts")
        return self.seen

    @property
    def notices(self) -> list[Told]:
        """Those it has shown since something was typed last."""
        return _read(self.seen, "NOTICE")

    async def run(self, text: str) -> None:
        """As simple query."""
        await self._typed(f"{text};")

    async def delete(self, table: str) -> Told:
        """The last line, or the error."""
        text = DELETE.format(table)
        lines = [f"{text};"]
        if self._how == "extended":
            lines = [f"{text.replace('1', '$1')} \\bind 1 \\g"]
        elif self.piped:
            lines = [
                "\\startpipeline", "SELECT 1 \\bind \\sendpipeline",
                f"{text} \\bind \\sendpipeline", "\\endpipeline",
            ]  # fmt: skip
        shown = await self._typed(*lines)
        errors = _read(shown, "ERROR")
        if errors:
            return errors[0]
        (tag,) = re.findall(r"^DELETE \d+$", shown, re.MULTILINE)
        return Told(tag)

    async def cancel(self) -> None:
        """What Ctrl-C sends."""
        self._process.send_signal(signal.SIGINT)

    async def status(self) -> str:
        """As the prompt says."""
        await self._typed()
        return {"*": "T", "!": "E"}.get(self.seen[-3:-2], "I")

    async def close(self) -> None:
        """With a good-bye."""
        os.write(self._terminal, b"\\q\n")
        await asyncio.wait_for(self._process.wait(), LIMIT_S)
        asyncio.get_running_loop().remove_reader(self._terminal)
        os.close(self._terminal)


_FIELDS = {"detail": "DETAIL", "hint": "HINT", "context": "CONTEXT"}


def _read(shown: str, severity: str) -> list[Told]:
    """Notices or errors as psql prints them when it is verbose, also behind a prompt."""
    found: list[Told] = []
    pattern = rf"^(?:[*!?]?> )*{severity}:  (\w{{5}}): (.*)\n((?:(?:DETAIL|HINT|CONTEXT):  .*\n)*)"
    for sqlstate, primary, rest in re.findall(pattern, shown, re.MULTILINE):
        lines = dict(line.split(":  ", 1) for line in rest.splitlines())
        found.append(
            Told(primary, sqlstate, **{name: lines.get(key, "") for name, key in _FIELDS.items()})
        )
    return found


WAYS: Sequence[Any] = (
    lambda: Psql("simple"), lambda: Psql("extended"), lambda: Psql("pipeline"),
    lambda: Psycopg("simple"), lambda: Psycopg("extended"), lambda: Psycopg("pipeline"),
    lambda: Asyncpg("simple"), lambda: Asyncpg("extended"),
)  # fmt: skip
NAMES = [
    "psql simple", "psql extended", "psql pipeline", "psycopg simple", "psycopg extended",
    "psycopg pipeline", "asyncpg simple", "asyncpg extended",
]  # fmt: skip
