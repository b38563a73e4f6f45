"""Passwords for browsers: argon2id hash lines behind secret references, and whether one fits.

Every check costs the same whoever is named. Who may try, and how often, is asked of the lock-outs
by the doors; knows no wire.
"""

from __future__ import annotations

import asyncio
import hmac
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from gatekeep.documents import everything, first_with_rest
from gatekeep.errors import SettingsError
from gatekeep.identity.principals import PrincipalEntry
from gatekeep.identity.secrets import SecretReader
from gatekeep.runtime.clock import random_bytes
from gatekeep.runtime.offload import Offload

MIN_CHARACTERS: Final = 12
MAX_CHARACTERS: Final = 1024
"""Longer ones are refused unread: a check must not become work for strangers to order."""

WAYS_AT_ONCE: Final = 3
"""Different costs that the lines of one file may have; each costs a computation at every check."""

_LEAST_KIB_PASSES: Final = 35_000
_MAX_MEMORY_KIB: Final = 256 * 1024
_MAX_PASSES: Final = 16
_MAX_LANES: Final = 8
_LINE: Final = re.compile(
    r"\$argon2id\$v=19\$m=(\d{1,9}),t=(\d{1,4}),p=(\d{1,3})\$[A-Za-z0-9+/]{11,86}\$[A-Za-z0-9+/]{22,86}"
)
_FIX: Final = "make the line with: gatekeep principals password"


class _Way(NamedTuple):
    """How dear a line is to compute: memory in KiB, passes over it, lanes."""

    memory: int
    passes: int
    lanes: int


def hashed(password: str) -> str:
    """The hash line of a password, by the costs that RFC 9106 advises for little memory."""
    return PasswordHasher().hash(_prepared(password))


def too_weak(password: str) -> str:
    """What is wrong with a password that somebody chooses, as words; empty if nothing is."""
    if len(password) < MIN_CHARACTERS:
        return f"a password has at least {MIN_CHARACTERS} characters"
    if len(password) > MAX_CHARACTERS:
        return f"a password has at most {MAX_CHARACTERS} characters"
    if len(set(password)) < MIN_CHARACTERS // 3:
        return "a password has more than a few different characters"
    return ""


def read_passwords(entries: Iterable[PrincipalEntry], secrets: SecretReader) -> dict[str, str]:
    """The hash line of each principal that has one.

    Raises SettingsError for the first that cannot be read or is none; the others hang at `also`.
    """
    found: dict[str, str] = {}
    ways: set[_Way] = set()
    problems: list[SettingsError] = []
    for entry in entries:
        if not entry.password:
            continue
        key = f"{entry.key}.password"
        try:
            line = secrets.read(entry.password, file=entry.file, key=key)
        except SettingsError as error:
            problems.extend(everything(error))
            continue
        what = _wrong_with(line)
        if what:
            problems.append(SettingsError(what, file=entry.file, key=key, fix=_FIX))
            continue
        ways.add(_way_of(line))
        if len(ways) > WAYS_AT_ONCE:
            what = f"is hashed in a {WAYS_AT_ONCE + 1}th way; all lines should be hashed alike"
            problems.append(SettingsError(what, file=entry.file, key=key, fix=_FIX))
        found[entry.principal.name] = line
    if problems:
        raise first_with_rest(problems)
    return found


class PasswordBook:
    """The passwords of all principals; `reload` swaps them, or raises and keeps all.

    At most `at_once` checks run together, each on a thread; `limit` more may wait.
    """

    def __init__(
        self,
        entries: Iterable[PrincipalEntry],
        secrets: SecretReader,
        offload: Offload,
        *,
        at_once: int = 2,
        limit: int = 32,
    ) -> None:
        self._secrets = secrets
        self._offload = offload
        self._slots = asyncio.Semaphore(at_once)
        self._limit = at_once + limit
        self._running = 0
        self._mark_key = random_bytes(32)
        self._lines: Mapping[str, str] = {}
        self._stand_ins: Mapping[_Way, str] = {}
        self.reload(entries)

    def reload(self, entries: Iterable[PrincipalEntry]) -> None:
        """Replace everything. Raises SettingsError for a line or reference that is no use."""
        lines = read_passwords(entries, self._secrets)
        ways = {_way_of(line) for line in lines.values()}
        if ways != self._stand_ins.keys():
            self._stand_ins = {way: _stand_in(way) for way in ways}
        self._lines = lines

    def check(self, entries: Iterable[PrincipalEntry]) -> None:
        """Whether `reload` would take these. Raises SettingsError as it would; changes nothing."""
        read_passwords(entries, self._secrets)

    @property
    def busy(self) -> bool:
        """Whether so many checks wait that no other should be begun."""
        return self._running >= self._limit

    def mark(self, name: str) -> str:
        """A word that changes when this principal's password does; empty without one."""
        line = self._lines.get(name)
        return "" if line is None else hmac.digest(self._mark_key, line.encode(), "sha256").hex()

    async def matches(self, name: str, password: str) -> bool:
        """Whether this is the password of that principal; as much work is done for any name."""
        lines = dict(self._stand_ins)
        line = self._lines.get(name)
        if line is not None:
            lines[_way_of(line)] = line
        given = _prepared(password) if len(password) <= MAX_CHARACTERS else b""
        self._running += 1
        try:
            async with self._slots:
                fitting = await self._offload.run(lambda: _fitting(lines.values(), given))
        finally:
            self._running -= 1
        return line is not None and line in fitting


def _fitting(lines: Iterable[str], given: bytes) -> list[str]:
    """Those of the lines that the password fits; never ends early."""
    hasher = PasswordHasher()
    fitting: list[str] = []
    for line in lines:
        try:
            hasher.verify(line, given)
        except (Argon2Error, InvalidHashError):
            continue
        fitting.append(line)
    return fitting


def _stand_in(way: _Way) -> str:
    """A line that nobody's password fits, hashed in this way."""
    hasher = PasswordHasher(
        time_cost=way.passes, memory_cost=way.memory, parallelism=way.lanes
    )  # fmt: skip
    return hasher.hash(random_bytes(32))


def _prepared(password: str) -> bytes:
    """The bytes that are hashed: one spelling of what keyboards spell in two (RFC 8265)."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")


def _wrong_with(line: str) -> str:
    """Why this is no hash line that we would take; empty if it is one."""
    if not _LINE.fullmatch(line):
        return "is no argon2id hash line"
    way = _way_of(line)
    if way.memory * way.passes < _LEAST_KIB_PASSES:
        return "is hashed at too low a cost"
    if way.memory > _MAX_MEMORY_KIB or way.passes > _MAX_PASSES or not 0 < way.lanes <= _MAX_LANES:
        return "is hashed at too high a cost: each sign-in would have to pay it"
    return ""


def _way_of(line: str) -> _Way:
    """The costs that a line of the right form names."""
    return _Way(*(int(part.partition("=")[2]) for part in line.split("$")[3].split(",")))
