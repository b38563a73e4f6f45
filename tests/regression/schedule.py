"""Which tests there are, in which order, and what of their text a gateway cannot be asked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_SWITCH = re.compile(
    r"""(?P<reset>\bRESET\s+SESSION\s+AUTHORIZATION\b)
      | \bSET\s+(?P<scope>(?:LOCAL|SESSION)\s+)?SESSION\s+AUTHORIZATION\s+(?P<who>"[^"]*"|'[^']*'|\w+)""",
    re.IGNORECASE | re.VERBOSE,
)


@dataclass(frozen=True)
class Script:
    """One test: the text that psql is given on both ways, and how many switches became roles."""

    name: str
    text: bytes
    switches: int = 0


def scheduled(regress: Path) -> list[str]:
    """The names in `parallel_schedule`, each group's one after the other."""
    names: list[str] = []
    for line in (regress / "parallel_schedule").read_text().splitlines():
        if line.startswith("test:"):
            names.extend(line.removeprefix("test:").split())
    return names


def script(regress: Path, name: str, *, as_written: bool = False) -> Script:
    """The test's text. `as_written` leaves SET SESSION AUTHORIZATION in it."""
    text = (regress / "sql" / f"{name}.sql").read_bytes()
    if as_written:
        return Script(name, text)
    # Latin-1 maps every byte to itself: some of these files are in encodings of their own.
    changed, count = _SWITCH.subn(_as_role, text.decode("latin-1"))
    return Script(name, changed.encode("latin-1"), count)


def _as_role(found: re.Match[str]) -> str:
    """The same switch as SET ROLE: what a superuser's session may then do is the same."""
    if found["reset"] or found["who"].upper() == "DEFAULT":
        return "RESET ROLE"
    return f"SET {found['scope'] or ''}ROLE {found['who']}"
