"""Runs a pure function on a thread with a 64 MiB stack, away from the event loop.

For work that is long or recursive (a large statement's parse): never for I/O of the hot path.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_STACK_BYTES = 64 * 1024 * 1024

Result = TypeVar("Result")


class Offload:
    """A small pool of threads with large stacks."""

    def __init__(self, *, threads: int = 1) -> None:
        self._threads = threads
        self._pool: ThreadPoolExecutor | None = None

    async def run(self, function: Callable[[], Result]) -> Result:
        """Run `function` on the pool and return its result; its exceptions pass through."""
        return await asyncio.get_running_loop().run_in_executor(self._started(), function)

    def close(self) -> None:
        """Let running work end and stop the threads."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def _started(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="offload")
            before = threading.stack_size(_STACK_BYTES)
            try:
                ready = [
                    self._pool.submit(threading.get_ident) for _ in range(self._threads)
                ]
                for future in ready:
                    future.result()
            finally:
                threading.stack_size(before)
        return self._pool
