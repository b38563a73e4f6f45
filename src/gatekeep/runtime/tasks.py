"""Owned tasks: each has a name and an owner, and none is ever lost.

The one place that may call `loop.create_task`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

_log = structlog.get_logger(__name__)

OnFailure = Callable[[str, BaseException], None]


class TaskOwner:
    """Holds the tasks of one part of the gateway and ends them together.

    `on_failure(name, error)` is told of every task that ends with an exception; without it the
    failure is written to diagnostics.
    """

    def __init__(self, name: str, *, on_failure: OnFailure | None = None) -> None:
        self.name = name
        self._on_failure = on_failure
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def spawn(self, coroutine: Coroutine[Any, Any, Any], *, name: str) -> asyncio.Task[Any]:
        """Start a task that this owner keeps until it ends."""
        task = asyncio.get_running_loop().create_task(coroutine, name=f"{self.name}/{name}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def close(self, *, grace: float = 0.0) -> None:
        """Wait up to `grace` seconds for the tasks to end by themselves, then cancel the rest."""
        if self._tasks and grace > 0:
            await asyncio.wait(set(self._tasks), timeout=grace)
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            return
        if self._on_failure is not None:
            self._on_failure(task.get_name(), error)
        else:
            _log.error("task failed", task=task.get_name(), error=repr(error))
