"""A gateway for the length of one story: short path, own database, nothing left running.

Starts and ends real processes; what the story does to them is its own affair.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import psycopg
from support.gateway import Gateway
from support.postgres_server import PostgresServer

LIMIT_S = 60.0


@contextlib.contextmanager
def running_gateway(
    server: PostgresServer, *, directory: Path | None = None, start: bool = True, **options: Any
) -> Iterator[Gateway]:
    """A started gateway before `server`; at the end it and its children are gone, files too."""
    place = directory or Path(tempfile.mkdtemp(prefix="gk-a-"))
    gateway = Gateway(place, server.port, {"postgres": server.password}, **options)
    try:
        if start:
            gateway.start()
        yield gateway
    except BaseException as error:
        error.add_note(f"the gateway's diagnostics:\n{gateway.log[-6000:]}")
        raise
    finally:
        if gateway.process is not None:
            pids = gateway.processes() if gateway.process.poll() is None else []
            gateway.stop(signal.SIGKILL)
            await_gone(pids)
        if directory is None:
            shutil.rmtree(place, ignore_errors=True)


@contextlib.contextmanager
def own_database(server: PostgresServer) -> Iterator[str]:
    """The name of a database made for one story."""
    name = f"gk_{secrets.token_hex(6)}"
    with psycopg.connect(server.dsn(), autocommit=True) as direct:
        direct.execute(f'CREATE DATABASE "{name}"')
    yield name
    with psycopg.connect(server.dsn(), autocommit=True) as direct:
        direct.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def ask(server: PostgresServer, database: str, query: str) -> list[tuple[Any, ...]]:
    """The target's own answer, past the gateway."""
    with psycopg.connect(server.dsn(database=database), autocommit=True) as direct:
        cursor = direct.execute(query.encode())
        return cursor.fetchall() if cursor.description else []


def until(condition: Callable[[], bool], what: str, limit_s: float = LIMIT_S) -> float:
    """Wait for something that must come to be; returns the seconds it took."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < limit_s, f"not within {limit_s:.0f} s: {what}"
        time.sleep(0.02)
    return time.monotonic() - begun


def await_gone(pids: Iterable[int], limit_s: float = LIMIT_S) -> None:
    """Every one of these processes ends, by itself."""
    left = list(pids)
    until(lambda: not any(alive(pid) for pid in left), f"the end of {left}", limit_s)


def alive(pid: int) -> bool:
    """Whether it runs; one that ended and was not waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def child(gateway: Gateway, module: str) -> int:
    """The process id of the gateway's child that runs this module."""
    for pid in gateway.processes()[1:]:
        if module in Path(f"/proc/{pid}/cmdline").read_text().split("\0"):
            return pid
    raise AssertionError(f"no child runs {module}")


def kill(pid: int) -> None:
    """End it without a word."""
    os.kill(pid, signal.SIGKILL)
