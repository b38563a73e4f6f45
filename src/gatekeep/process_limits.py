"""What a serving process asks of its machine and interpreter, once, before it serves."""

from __future__ import annotations

import contextlib
import gc
import resource


def calm_collector() -> None:
    """What was made at start stays for ever, and statements leave no cycles: collect seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def raise_file_limit() -> None:
    """Each session holds two sockets: allow as many files as the system lets us."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
