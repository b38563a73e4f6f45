"""Off-loading: pure work on a thread with a large stack."""

from __future__ import annotations

import threading

import pytest

from gatekeep.runtime.offload import Offload


async def test_work_leaves_the_event_loops_thread() -> None:
    """The function runs elsewhere and its result comes back."""
    offload = Offload()
    assert await offload.run(threading.get_ident) != threading.get_ident()
    offload.close()


async def test_the_stack_is_large_and_only_there() -> None:
    """64 MiB on the pool's threads; the size for other threads is as it was."""
    before = threading.stack_size()
    offload = Offload(threads=2)

    def deep(levels: int) -> int:
        return 0 if levels == 0 else 1 + deep(levels - 1)

    assert await offload.run(lambda: deep(500)) == 500
    assert threading.stack_size() == before
    offload.close()


async def test_a_failure_passes_through() -> None:
    """The caller sees the function's own exception, and the pool works on."""

    def fail() -> None:
        raise ValueError("broken")

    offload = Offload()
    with pytest.raises(ValueError, match="broken"):
        await offload.run(fail)
    assert await offload.run(lambda: 7) == 7
    offload.close()
    offload.close()
