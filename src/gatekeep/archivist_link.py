"""The archivist's process seen from the gateway: started, watched, restarted, ended.

What it does is `archivist`; this file only knows its command line and its status lines.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, Final

import orjson
import structlog

from gatekeep.runtime.tasks import TaskOwner

_log = structlog.get_logger(__name__)

_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 5.0
_END_S: Final = 30.0


class ArchivistLink:
    """One archivist; `status` is the last line it sent (size, lag, error …), empty before that.

    It is restarted whenever it ends (a disk may have been full), except when it says an error:
    evidence that it finds broken is final.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        self._arguments = tuple(arguments)
        self._process: subprocess.Popen[bytes] | None = None
        self._keep_open = -1
        self._ending = False
        self.status: dict[str, Any] = {}

    @property
    def alive(self) -> bool:
        """Whether it runs and has not found anything wrong."""
        running = self._process is not None and self._process.poll() is None
        return running and not self.status.get("error")

    @property
    def pid(self) -> int:
        """Its process id; 0 when it is not running."""
        return self._process.pid if self._process is not None else 0

    def start(self, owner: TaskOwner) -> None:
        """Start it and keep it running."""
        owner.spawn(self._keep(), name="archivist")

    async def stop(self) -> None:
        """Let it take what is durable, sign a last checkpoint, and end."""
        self._ending = True
        self._close_pipe()
        process = self._process
        if process is None:
            return
        try:
            await asyncio.to_thread(process.wait, _END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            await asyncio.to_thread(process.wait)

    async def _keep(self) -> None:
        failures = 0
        while not self._ending:
            before = self.status.get("size", 0)
            await self._run_once()
            if self._ending or self.status.get("error"):
                break
            failures = 0 if self.status.get("size", 0) > before else failures + 1
            _log.error("archivist ended, starting it again", failures=failures)
            await asyncio.sleep(min(_PAUSE_S * max(1, failures), _LONGEST_PAUSE_S))

    async def _run_once(self) -> None:
        life, self._keep_open = os.pipe()
        reports, told = os.pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603, ASYNC220 - our own module; a fork does not wait
                [
                    sys.executable, "-m", "gatekeep.archivist", *self._arguments,
                    "--life-fd", str(life), "--status-fd", str(told),
                ],
                stdin=subprocess.DEVNULL,
                pass_fds=(life, told),
            )  # fmt: skip
        finally:
            os.close(life)
            os.close(told)
        await self._listen(reports)
        await asyncio.to_thread(self._process.wait)
        self._close_pipe()

    async def _listen(self, reports: int) -> None:
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        pipe = os.fdopen(reports, "rb", buffering=0)
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        try:
            while line := await reader.readline():
                with contextlib.suppress(orjson.JSONDecodeError):
                    self.status = orjson.loads(line)
        finally:
            transport.close()

    def _close_pipe(self) -> None:
        if self._keep_open >= 0:
            os.close(self._keep_open)
            self._keep_open = -1
