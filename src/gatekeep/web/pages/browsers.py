"""Who is signed in with which browser: in memory, by a random id that only the cookie holds.

A sign-in ends by itself: with time, without use, and when the principal or what proves him is
changed. How somebody signs in lives in `sign_in`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gatekeep.domain.identity import Principal
from gatekeep.web.pages.needs import SignInLimits

_ID_BYTES: Final = 32
_US: Final = 1_000_000
_MOST: Final = 4_096
_MOST_OF_ONE: Final = 16


@dataclass(slots=True)
class Browser:
    """One sign-in. Times are microseconds UTC.

    `mark` stands for what proved the principal and changes with it. `proven_us` is when the
    password was last given.
    """

    principal: Principal
    mark: str
    began_us: int
    seen_us: int
    proven_us: int


class Browsers:
    """All of them. `mark_of` says what stands for a principal's proofs now; None: he is gone."""

    def __init__(
        self,
        now_us: Callable[[], int],
        draw: Callable[[int], bytes],
        mark_of: Callable[[Principal], str | None],
        limits: SignInLimits,
    ) -> None:
        self._now_us = now_us
        self._draw = draw
        self._mark_of = mark_of
        self._limits = limits
        self._kept: dict[bytes, Browser] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def new_id(self) -> str:
        """An id that nobody can guess, for a browser that is not signed in yet, or now is."""
        return self._draw(_ID_BYTES).hex()

    def begin(self, principal: Principal) -> str:
        """Sign in: always under a new id, so that one planted before is worth nothing."""
        mark = self._mark_of(principal)
        if mark is None:
            raise ValueError("whoever signs in must be known")
        self._make_room(principal.name)
        now = self._now_us()
        browser_id = self.new_id()
        self._kept[_key(browser_id)] = Browser(principal, mark, now, now, now)
        return browser_id

    def find(self, browser_id: str) -> Browser | None:
        """The sign-in of this id, if it still counts; being looked for is use."""
        key = _key(browser_id)
        browser = self._kept.get(key)
        if browser is None:
            return None
        now = self._now_us()
        if not self._counts(browser, now):
            del self._kept[key]
            return None
        browser.seen_us = now
        return browser

    def end(self, browser_id: str) -> None:
        """Sign out."""
        self._kept.pop(_key(browser_id), None)

    def is_fresh(self, browser: Browser) -> bool:
        """Whether the password was given lately enough to be believed still."""
        return self._now_us() - browser.proven_us <= self._limits.fresh_s * _US

    def prove(self, browser: Browser) -> None:
        """The password was given again, just now."""
        browser.proven_us = self._now_us()

    def _counts(self, browser: Browser, now: int) -> bool:
        return (
            now - browser.began_us < self._limits.lasts_s * _US
            and now - browser.seen_us < self._limits.idle_s * _US
            and self._mark_of(browser.principal) == browser.mark
        )

    def _make_room(self, name: str) -> None:
        now = self._now_us()
        for key in [key for key, one in self._kept.items() if not self._counts(one, now)]:
            del self._kept[key]
        own = [key for key, one in self._kept.items() if one.principal.name == name]
        for key in own[: max(0, len(own) + 1 - _MOST_OF_ONE)]:
            del self._kept[key]
        if len(self._kept) >= _MOST:
            del self._kept[next(iter(self._kept))]


def _key(browser_id: str) -> bytes:
    """What is kept of an id: whoever reads our memory or times a look-up learns no cookie."""
    return hashlib.sha256(browser_id.encode("utf-8", "surrogatepass")).digest()
