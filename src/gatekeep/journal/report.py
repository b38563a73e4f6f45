"""What a verification found: findings, exit code, and the report as text and JSON. Pure."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

_SHOWN = 20


class Fault(enum.StrEnum):
    """Kinds of findings. All of them fail the verification."""

    MISMATCH = "mismatch"
    MISSING = "missing"
    SEALED = "sealed"
    UNDECIDED = "undecided"


_EXIT = {Fault.MISMATCH: 1, Fault.MISSING: 2, Fault.SEALED: 2, Fault.UNDECIDED: 4}
_ORDER = (Fault.MISMATCH, Fault.MISSING, Fault.SEALED, Fault.UNDECIDED)
EXIT_BUNDLED_KEYS = 3

HEADLINES = {
    0: "valid",
    1: "TAMPERED OR DAMAGED",
    2: "INCOMPLETE",
    3: "valid, but the keys came with the evidence",
    4: "CANNOT DECIDE",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong: the file (relative to what was verified), the event if one is known."""

    fault: Fault
    file: str
    what: str
    event: int | None = None

    def line(self) -> str:
        """For people."""
        event = f" event {self.event}" if self.event is not None else ""
        return f"{self.fault.value}: {self.file}{event}: {self.what}"


@dataclass(slots=True)
class Report:
    """The outcome of one verification."""

    origin: str = ""
    size: int = 0
    root: str = ""
    first: int = 0
    end: int = 0
    leaves: int = 0
    tail: int = 0
    checkpoints: int = 0
    states: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    assumptions: list[str] = field(default_factory=list)
    keys_from_evidence: bool = False

    def add(self, fault: Fault, file: str, what: str, event: int | None = None) -> None:
        """Add a finding."""
        self.findings.append(Finding(fault, file, what, event))

    def extend(self, findings: Iterable[Finding]) -> None:
        """Add several."""
        self.findings.extend(findings)

    @property
    def exit_code(self) -> int:
        """0 valid · 1 tampering · 2 incomplete · 3 keys from the evidence · 4 cannot decide."""
        present = {finding.fault for finding in self.findings}
        for fault in _ORDER:
            if fault in present:
                return _EXIT[fault]
        return EXIT_BUNDLED_KEYS if self.keys_from_evidence else 0

    def as_json(self) -> dict[str, Any]:
        """The report for machines. Its keys are always all there."""
        return {
            "exit": self.exit_code,
            "verdict": HEADLINES[self.exit_code],
            "origin": self.origin,
            "checkpoint": {"size": self.size, "root": self.root},
            "range": {"first": self.first, "end": self.end},
            "leaves_checked": self.leaves,
            "unsigned_tail": self.tail,
            "checkpoints_checked": self.checkpoints,
            "states": dict(sorted(self.states.items())),
            "anchors": [],
            "rewrite_window": "whole log: no external anchor",
            "assumptions": self.assumptions,
            "notes": self.notes,
            "findings": [
                {"fault": f.fault.value, "file": f.file, "event": f.event, "what": f.what}
                for f in self.findings
            ],
        }

    def as_text(self) -> str:
        """The report for people."""
        states = ", ".join(f"{count:,} {name}" for name, count in sorted(self.states.items()))
        lines = [
            f"{HEADLINES[self.exit_code]}: {self.origin or 'no origin'}",
            f"  checkpoint  {self.size:,} events, root {self.root or '-'}",
            f"  checked     {self.leaves:,} events, {self.checkpoints:,} checkpoints"
            + (f", {self.tail:,} of them not signed yet" if self.tail else ""),
            f"  payloads    {states or 'none'}",
            "  anchors     no external anchor: the holder of the signing key could have rewritten all of it",
        ]
        lines += [f"  assumes     {text}" for text in self.assumptions]
        lines += [f"  note        {text}" for text in self.notes]
        lines += [f"  {finding.line()}" for finding in self.findings[:_SHOWN]]
        if len(self.findings) > _SHOWN:
            lines.append(f"  … and {len(self.findings) - _SHOWN:,} more findings")
        return "\n".join(lines)
