"""Clients that insert rows with unique ids as fast as they are answered, until the door is gone.

Half of them one row a statement (autocommit), half three rows a transaction. Judges nothing.
"""

from __future__ import annotations

import contextlib
import threading
from types import TracebackType
from typing import Self

import psycopg

CREATE = "CREATE TABLE rows_written (id text PRIMARY KEY, told text NOT NULL)"
INSERT = "INSERT INTO rows_written (id, told) VALUES (%s, %s)"
IN_ONE_TRANSACTION = 3


class InsertLoad:
    """Runs in threads. `answered` are the ids whose commit the client was told of."""

    def __init__(self, dsn: str, clients: int, label: str) -> None:
        self.answered: set[str] = set()
        self.refused: list[str] = []
        self._dsn = dsn
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(f"{label}-{number}", number % 2 == 1))
            for number in range(clients)
        ]

    def __enter__(self) -> Self:
        """Begin."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End: each client stops after what it is at."""
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a client hangs"

    def await_answers(self, count: int, limit_s: float = 60) -> None:
        """Wait until so many rows were confirmed."""
        with self._changed:
            enough = self._changed.wait_for(lambda: len(self.answered) >= count, limit_s)
        assert enough, f"{len(self.answered)} of {count} rows; refused: {self.refused[:3]}"

    def pause(self, seconds: float) -> None:
        """Let it run on a little."""
        self._stop.wait(seconds)

    def await_end(self, limit_s: float = 60) -> None:
        """Wait until every client was thrown out."""
        for thread in self._threads:
            thread.join(limit_s)
            assert not thread.is_alive(), "a client still writes"

    def _run(self, label: str, in_transactions: bool) -> None:
        last_words: list[str] = []  # libpq makes a notice of what comes while it waits for nothing
        try:
            with psycopg.connect(self._dsn, autocommit=True, connect_timeout=30) as client:
                client.add_notice_handler(
                    lambda said: last_words.append(f"{said.sqlstate}: {said.message_primary}")
                )
                number = 0
                while not self._stop.is_set():
                    size = IN_ONE_TRANSACTION if in_transactions else 1
                    ids = [f"{label}-{number + step}" for step in range(size)]
                    number += size
                    self._write(client, ids, in_transactions)
                    with self._changed:
                        self.answered.update(ids)
                        self._changed.notify_all()
        except psycopg.Error as error:
            told = f"{error.sqlstate}: {error}"
            self.refused.append(told if error.sqlstate or not last_words else last_words[-1])

    def _write(
        self, client: psycopg.Connection[tuple[object, ...]], ids: list[str], in_transaction: bool
    ) -> None:
        if not in_transaction:
            client.execute(INSERT, (ids[0], "alone"))
            return
        with client.transaction():
            for one in ids:
                client.execute(INSERT, (one, "together"))


READ = "SELECT name FROM ground WHERE name <> %s"
GROUND = """
CREATE TABLE ground (name text); INSERT INTO ground VALUES ('here');
CREATE TABLE written (name text);
CREATE FUNCTION spy() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1';
CREATE FUNCTION trace() RETURNS int LANGUAGE plpgsql IMMUTABLE AS
  $$ BEGIN INSERT INTO written VALUES ('seen'); RETURN 1; END $$;
"""


class ReadLoad(InsertLoad):
    """The same with reads: `answered` are the ids of those whose rows the client was shown.

    Between them it tries reads behind which code of the target would write.
    """

    def _write(self, client: psycopg.Connection, ids: list[str], in_transactions: bool) -> None:
        for one in ids:
            assert client.execute(READ, (one,)).fetchone() == ("here",)
        if in_transactions:
            with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
                client.execute("SELECT trace() FROM ground WHERE spy() = 1")
                raise AssertionError("code of the target ran behind a read")
