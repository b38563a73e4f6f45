"""Whether the target has shown all that was typed: round trips, quiet, characters not yet echoed.

Counts and times alone. The clock is the caller's, in milliseconds.
"""

from __future__ import annotations

from typing import Final

_LONG_AGO: Final = -(10**12)
_MIN_UNANSWERED_MS: Final = 250
_MAX_SAMPLE_MS: Final = 1_500  # longer was no echo


class Echo:
    """`unechoed` counts characters that were forwarded and not painted since."""

    def __init__(self, quiet_ms: int, cap_ms: int) -> None:
        self.unechoed = 0
        self.last_output = _LONG_AGO
        self._last_forward = _LONG_AGO
        self._answered = True
        self._probe: int | None = None
        self._trip: float | None = None
        self._spread = 0.0
        self._quiet_ms = quiet_ms
        self._cap_ms = cap_ms

    @property
    def quiet(self) -> int:
        """How long nothing must come before what was shown counts as all."""
        if self._trip is None:
            return self._quiet_ms
        return min(max(self._quiet_ms, round(self._trip + 4 * self._spread)), self._cap_ms)

    def forwarded(self, printable: int, now: int, *, edited: bool = True) -> None:
        """Keys went out; only an editor of lines is sure to echo at once."""
        if self._probe is None and printable > 0 and self._answered and edited:
            self._probe = now
        self._last_forward = now
        self._answered = False
        self.unechoed = max(self.unechoed + printable, 0)

    def output(self, painted: int, now: int) -> None:
        """The target sent something that painted so many characters."""
        self.last_output = now
        self._answered = True
        self.unechoed = max(self.unechoed - painted, 0)
        if self._probe is not None:
            if now - self._probe <= _MAX_SAMPLE_MS:
                self._sample(now - self._probe)
            self._probe = None

    def _sample(self, trip: float) -> None:
        if self._trip is None:
            self._trip, self._spread = trip, trip / 2
            return
        self._spread += (abs(trip - self._trip) - self._spread) / 4
        self._trip += (trip - self._trip) / 8

    def settled_at(self, since: int) -> int:
        """When all counts as shown, if nothing more comes; at most the cap after `since`.

        A key that paints nothing (ESC, C-e at the end) need not be answered: shorter waits do.
        """
        cap = since + self._cap_ms
        if self.unechoed:
            return cap
        if self._answered:
            at = max(self.last_output, self._last_forward) + self.quiet
        else:
            at = self._last_forward + max(3 * self.quiet, _MIN_UNANSWERED_MS)
        return min(max(at, since), cap)

    def quiet_at(self, since: int) -> int:
        """When the target will have been quiet for long enough, `since` included."""
        return min(max(self.last_output, since) + self.quiet, since + self._cap_ms)
