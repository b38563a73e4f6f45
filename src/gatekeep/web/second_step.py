"""Codes from an authenticator, for what takes a second factor. Decides nothing about requests."""

from __future__ import annotations

from typing import Final

from gatekeep.domain.identity import Principal
from gatekeep.gate.ports import LockOuts, SshProofs
from gatekeep.messages import api as words
from gatekeep.runtime.clock import Clock
from gatekeep.web.refusals import Explained

SECOND_STEP: Final = "second step"
"""Failures count for all addresses together: who comes so far holds the first factor."""

_PACE_NS: Final = 10 * 10**9


class SecondStep:
    """Checks codes, each once, and locks whoever gives too many wrong ones.

    Break-glass is never locked: there wrong codes only have to keep apart by 10 s.
    """

    def __init__(self, proofs: SshProofs, lock_outs: LockOuts, clock: Clock) -> None:
        self._proofs = proofs
        self._lock_outs = lock_outs
        self._clock = clock
        self._failed_ns: dict[str, int] = {}

    def shown(self, principal: Principal, code: str | None, *, emergency: bool = False) -> bool:
        """Whether a second factor is shown: false without a code, which may be enough.

        Raises Explained for a code that does not count.
        """
        name = principal.name
        if code is None:
            return False
        if not self._proofs.needs_code(name):
            raise Explained(words.NO_AUTHENTICATOR)
        if self._lock_outs.locked(name, SECOND_STEP):
            self._pass_a_lock(name, emergency=emergency)
        if self._proofs.accept_code(name, code):
            self._lock_outs.succeeded(name, SECOND_STEP)
            self._failed_ns.pop(name, None)
            return True
        self._lock_outs.failed(name, SECOND_STEP)
        self._failed_ns[name] = self._clock.monotonic_ns()
        raise Explained(words.WRONG_CODE)

    def _pass_a_lock(self, name: str, *, emergency: bool) -> None:
        if not emergency:
            raise Explained(words.CODES_LOCKED)
        if self._clock.monotonic_ns() - self._failed_ns.get(name, -_PACE_NS) < _PACE_NS:
            raise Explained(words.CODES_PACED)
