"""The future that all who wait for one batch share. Apart from `chain`, because that is compiled.

A compiled class cannot extend a future, which is written in C.
"""

from __future__ import annotations

import asyncio


class BatchFuture(asyncio.Future[None]):
    """Shared by all who wait for one batch, so no waiter's cancellation may cancel it.

    A cancelled waiter gets its CancelledError when the batch is decided, within the deadline.
    """

    def cancel(self, msg: object = None) -> bool:  # noqa: ARG002 - the signature is asyncio's
        """Refuse: the batch will be decided all the same."""
        return False
