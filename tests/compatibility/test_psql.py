"""psql, the wheel's and the distribution's, shows through the gateway what it shows without."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import pytest
from support.journal_evidence import of_kind
from support.journey import PASSWORD, Place
from support.postgres_server import wheel_binaries

pytestmark = pytest.mark.journey

DESCRIBES = r"""
\d
\d+
\dt+ \dv+ \dm+ \di+ \ds+ \dE
\dt *.*
\d customers
\d+ customers
\d+ orders
\d+ stock.events
\d+ stock.events_2026
\d+ stock.watched
\d+ stock.child
\d+ recent
\d+ totals
\d tickets
\d+ orders_new
\df stock.*
\df+ stock.*
\da stock.*
\dn+
\du+
\dp
\z customers
\ddp
\dT+
\dT+ status
\dD+
\dC
\do +
\dO
\dc
\dx+
\dy+
\des+
\det+
\dew+
\dF+
\dFd+
\dFp
\dFt+
\dL+
\dl
\dd
\dP+
\drds
\dRp+
\dX
\dA+
\dAc
\dAf
\dAo
\dAp
\db
\sf stock.price
\sf+ stock.price
\sv+ recent
\x on
\d recent
\encoding
\x off
SELECT 1/0;
\errverbose
"""
WORK = r"""
\set who 'Ada'
SELECT id AS found, name FROM customers WHERE name = :'who' \gset
\echo :found :name
SELECT format('SELECT %s AS n', g) FROM generate_series(1, 3) g \gexec
SELECT count(*) FROM orders \watch interval=0.05 count=3
SELECT name FROM customers WHERE id = $1 \bind 2 \g
SELECT $1::int + $2::int AS sum \bind 1 2 \g (format=unaligned)
\set ON_ERROR_ROLLBACK on
BEGIN;
UPDATE customers SET email = 'new@example.com' WHERE id = 3;
SELECT 1/0;
SELECT email FROM customers WHERE id = 3;
ROLLBACK;
SELECT 1 AS a \; SELECT 2 AS b;
PREPARE one (int) AS SELECT $1 + 1;
DEALLOCATE one;
SELECT state, count(*) FROM orders GROUP BY state ORDER BY state \crosstabview
SELECT 'SELECT 7' \gdesc
"""


def _clients() -> list[Path]:
    found = shutil.which("psql")
    return [wheel_binaries() / "psql", *([Path(found)] if found else [])]


@pytest.fixture(params=["wheel", "distribution"])
def psql(request: pytest.FixtureRequest) -> Path:
    """A psql: of version 18, and the one that Debian brings."""
    clients = dict(zip(("wheel", "distribution"), _clients(), strict=False))
    if request.param not in clients:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("psql is not installed")
    return clients[request.param]


def _run(psql: Path, dsn: str, text: str, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(psql), "-X", "-P", "pager=off", *more, dsn], input=text, capture_output=True,
        text=True, timeout=100, check=False, env={**os.environ, "LC_ALL": "C", "TERM": "dumb"},
    )  # fmt: skip


def _direct(place: Place) -> str:
    return place.server.dsn(database=place.database, user="clerk", password=PASSWORD)


@pytest.mark.usefixtures("nothing_refused")
def test_describing_shows_the_same(place: Place, psql: Path) -> None:
    r"""Every `\d` command of an engineer answers as it does without the gateway, none asks."""
    through = _run(psql, place.dsn(), DESCRIBES)
    direct = _run(psql, _direct(place), DESCRIBES)
    assert through.stdout.splitlines() == direct.stdout.splitlines()
    assert _complaints(through.stderr) == _complaints(direct.stderr)
    assert "orders_customer_id_fkey" in through.stdout


@pytest.mark.usefixtures("nothing_refused")
def test_describing_a_server_of_another_version(old_place: Place, psql: Path) -> None:
    r"""Both clients describe a PostgreSQL 15 as they do without the gateway."""
    through = _run(psql, old_place.dsn(), DESCRIBES)
    direct = _run(psql, _direct(old_place), DESCRIBES)
    assert through.stdout.splitlines() == direct.stdout.splitlines()
    assert _complaints(through.stderr) == _complaints(direct.stderr)


def test_describing_is_reading(
    place: Place, psql: Path, recorded: Callable[[], list[tuple[str, dict[str, Any]]]]
) -> None:
    r"""What the `\d` commands send is recorded as `read`, statement by statement."""
    _run(psql, place.dsn(), DESCRIBES)
    actions = recorded()
    assert len(actions) > 100
    assert {payload["class"] for _, payload in actions} == {"read"}


def test_a_days_work_in_psql(place: Place) -> None:
    r"""Variables, \gset, \gexec, \watch with a count, \bind, \crosstabview, savepoints on error."""
    psql = wheel_binaries() / "psql"
    through = _run(psql, place.dsn(), WORK, "-A", "-t")
    direct = _run(psql, _direct(place), WORK, "-A", "-t")
    assert _without_times(through.stdout) == _without_times(direct.stdout)
    assert _complaints(through.stderr) == _complaints(direct.stderr)
    assert "1 Ada" in through.stdout
    assert through.stdout.count("60") >= 3


@pytest.mark.parametrize("command", [r"\deu", r"\dRs"])
def test_where_passwords_may_stand_is_not_described(place: Place, command: str) -> None:
    """User mappings and subscriptions hold passwords: the refusal says what is the matter."""
    told = _run(wheel_binaries() / "psql", place.dsn(), command)
    assert "password hashes, sampled values and other people's statements" in told.stderr


def test_tab_completion(
    place: Place, recorded: Callable[[], list[tuple[str, dict[str, Any]]]]
) -> None:
    """Names of tables, columns, schemas, functions and settings complete, and each is a read."""
    found = shutil.which("psql")
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("psql is not installed")
    with _Terminal([str(found), "-X", place.dsn()]) as terminal:
        terminal.until("=> ")
        for typed, completed in (
            ("SELECT * FROM custo\t", "customers"),
            ("SELECT * FROM stock.eve\t", "stock.events"),
            ("SELECT * FROM customers WHERE ema\t", "email"),
            ("UPDATE orde\t", "orders"),
            ("ALTER TABLE orders DROP CONSTRAINT one_at\t", "one_at_a_time"),
            ("DROP FUNCTION stock.pri\t", "stock.price"),
            ("SET application_n\t", "application_name"),
            ("SET TimeZone TO 'Europe/Berl\t", "Europe/Berlin"),
            ("\\dT sta\t", "status"),
            ("GRANT SELECT ON custo\t", "customers"),
            ("COMMENT ON SCHEMA sto\t", "stock"),
            ("\\c ord\t", ""),
        ):
            terminal.type(typed)
            terminal.until(completed)
            terminal.type("\x05\x15")
        terminal.type("\\q\r")
        terminal.ended()
    actions = recorded()
    assert [p["text"] for k, p in actions if k == "action.refused" or p["class"] != "read"] == []
    assert len(actions) >= 9


def _complaints(stderr: str) -> list[str]:
    """What was said, without the source line of the target that the gateway need not repeat."""
    return [line for line in stderr.splitlines() if not line.startswith("LOCATION")]


def _without_times(text: str) -> list[str]:
    return [line for line in text.splitlines() if "every 0.05" not in line]


class _Terminal:
    """A program under a pseudo-terminal; waits for text, at most 20 s."""

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self._seen = ""

    def __enter__(self) -> Self:
        master, slave = pty.openpty()
        self._master = master
        self._process = subprocess.Popen(
            self._command, stdin=slave, stdout=slave, stderr=slave, close_fds=True,
            start_new_session=True, env={**os.environ, "TERM": "dumb", "LC_ALL": "C"},
        )  # fmt: skip
        os.close(slave)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        os.close(self._master)

    def type(self, text: str) -> None:
        """Type it; what was seen so far no longer counts."""
        self._seen = ""
        os.write(self._master, text.encode())

    def until(self, text: str) -> None:
        """Wait until the terminal has shown `text`."""
        deadline = time.monotonic() + 20
        while text not in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\x07", "", self._seen):
            assert time.monotonic() < deadline, f"{text!r} not in {self._seen!r}"
            ready, _, _ = select.select([self._master], [], [], 0.2)
            if ready:
                self._seen += os.read(self._master, 65536).decode(errors="replace")

    def ended(self) -> None:
        """Wait for the end of the program, reading what it still writes."""
        deadline = time.monotonic() + 20
        while self._process.poll() is None:
            assert time.monotonic() < deadline, self._seen
            ready, _, _ = select.select([self._master], [], [], 0.05)
            if ready:
                try:
                    os.read(self._master, 65536)
                except OSError:
                    break
        self._process.wait(20)


def test_errors_in_its_own_words(place: Place) -> None:
    r"""A refusal reads as an error of the server, and \errverbose repeats its SQLSTATE."""
    mark = place.evidence.mark()
    told = _run(
        wheel_binaries() / "psql", place.dsn(), "SELECT * FROM pg_authid;\n\\errverbose\nSELECT 5;"
    )
    assert "ERROR:  gatekeep: " in told.stderr
    assert "ERROR:  42501: gatekeep: " in told.stderr
    assert "5" in told.stdout
    (refused,) = of_kind(place.evidence.closed(mark), "action.refused")
    assert "reads_secret" in str(refused["tags"])
