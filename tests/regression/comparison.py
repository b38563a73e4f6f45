"""Compares what psql said on the two ways, and looks up differences in the list of explained ones.

The list is `expected.yaml`: each entry names tests, the lines of one difference on either way as
patterns, and why it is no fault. A difference that no entry explains is a finding.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

EXPECTED = Path(__file__).with_name("expected.yaml")


@dataclass(frozen=True)
class Hunk:
    """Lines that differ: where in the direct output (from 1), and what stands there on each way."""

    at: int
    direct: tuple[str, ...]
    through: tuple[str, ...]

    def __str__(self) -> str:
        """As `diff` shows it."""
        shown = [f"@ {self.at}", *(f"- {x}" for x in self.direct), *(f"+ {x}" for x in self.through)]
        return "\n".join(shown)


@dataclass(frozen=True)
class Entry:
    """One explained difference. A line of a hunk must match `direct` or `through` as a whole.

    `sometimes`: it need not be there at each run, or with each minor version of the server.
    """

    tests: tuple[str, ...]
    why: str
    direct: re.Pattern[str] | None = None
    through: re.Pattern[str] | None = None
    most: int = 1
    sometimes: bool = False

    def explains(self, test: str, hunk: Hunk) -> bool:
        """Whether it is about this test and every line of the hunk is of its kind."""
        return (
            any(fnmatchcase(test, pattern) for pattern in self.tests)
            and _all(self.direct, hunk.direct)
            and _all(self.through, hunk.through)
        )


@dataclass(frozen=True)
class Replacement:
    """What is made alike on both ways before comparing."""

    pattern: re.Pattern[str]
    by: str
    why: str


@dataclass
class Verdict:
    """What came of one test; `seconds` on either way, `switches` of user that became roles."""

    test: str
    lines: int
    explained: list[tuple[Hunk, Entry]] = field(default_factory=list)
    findings: list[Hunk] = field(default_factory=list)
    note: str = ""
    seconds: tuple[float, float] = (0.0, 0.0)
    switches: int = 0

    @property
    def word(self) -> str:
        """`same`, `explained` or `different`."""
        if self.findings or self.note:
            return "different"
        return "explained" if self.explained else "same"


class Expected:
    """The list, as it stands in the file. Raises KeyError or re.error where it is wrong."""

    def __init__(self, content: dict[str, list[dict[str, Any]]]) -> None:
        self.replacements = [
            Replacement(re.compile(one["pattern"], re.MULTILINE), one["by"], one["why"])
            for one in content["alike"]
        ]
        self.entries = [
            Entry(
                tuple(one["tests"]), one["why"], _pattern(one.get("direct")),
                _pattern(one.get("through")), one.get("most", 1),
                one.get("sometimes", False),
            )
            for one in content["differences"]
        ]  # fmt: skip

    @classmethod
    def load(cls) -> Expected:
        """From the file beside this one."""
        return cls(yaml.safe_load(EXPECTED.read_text()))

    def judge(self, test: str, direct: bytes, through: bytes) -> Verdict:
        """Compare one test's two outputs."""
        lines = [self._alike(output) for output in (direct, through)]
        verdict = Verdict(test, len(lines[0]))
        used: Counter[int] = Counter()
        for hunk in hunks(*lines):
            for number, entry in enumerate(self.entries):
                if used[number] < entry.most and entry.explains(test, hunk):
                    used[number] += 1
                    verdict.explained.append((hunk, entry))
                    break
            else:
                verdict.findings.append(hunk)
        return verdict

    def unused(self, verdicts: Sequence[Verdict]) -> list[Entry]:
        """Entries about tests that ran, which explained nothing: they should go."""
        used = {id(entry) for verdict in verdicts for _, entry in verdict.explained}
        return [
            entry
            for entry in self.entries
            if id(entry) not in used
            and not entry.sometimes
            and any(fnmatchcase(v.test, pattern) for v in verdicts for pattern in entry.tests)
        ]

    def _alike(self, output: bytes) -> list[str]:
        text = output.decode("utf-8", "surrogateescape")
        for one in self.replacements:
            text = one.pattern.sub(one.by, text)
        return text.split("\n")


def hunks(direct: Sequence[str], through: Sequence[str]) -> list[Hunk]:
    """Where two outputs differ, in order; what they begin and end with alike is left out first."""
    if direct == through:
        return []
    head = 0
    while head < min(len(direct), len(through)) and direct[head] == through[head]:
        head += 1
    tail = 0
    most = min(len(direct), len(through)) - head
    while tail < most and direct[-1 - tail] == through[-1 - tail]:
        tail += 1
    left, right = direct[head : len(direct) - tail], through[head : len(through) - tail]
    matcher = difflib.SequenceMatcher(None, left, right, autojunk=False)
    return [
        Hunk(head + a + 1, tuple(left[a:b]), tuple(right[c:d]))
        for kind, a, b, c, d in matcher.get_opcodes()
        if kind != "equal"
    ]


def _pattern(text: str | None) -> re.Pattern[str] | None:
    return re.compile(text) if text is not None else None


def _all(pattern: re.Pattern[str] | None, lines: Sequence[str]) -> bool:
    if pattern is None:
        return not lines
    return bool(lines) and all(pattern.fullmatch(line) for line in lines)
