"""A real bash that runs lines in which no program exists, and tells which words it would have run."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

BASH = shutil.which("bash") or ""

_LOG = r"""
command_not_found_handle() { local IFS=; printf '%s\0' "$@" $'\1\1' >>"$LOG"; return 0; }
cd "$1/w"; n=0
while IFS= read -r -d '' t; do
  LOG="$1/log.$n"
  ( ulimit -t 2; HOME=/hh; PATH=/nonexistent; eval "$t" ) >/dev/null 2>/dev/null </dev/null
  n=$((n+1))
done < "$1/in"
"""


def what_bash_runs(lines: Sequence[str], folder: Path) -> list[list[tuple[str, ...]]]:
    """For each line, the words of each program that bash looked for."""
    (folder / "w").mkdir(exist_ok=True)
    for old in folder.glob("log.*"):
        old.unlink()
    (folder / "in").write_bytes(b"".join(line.encode() + b"\0" for line in lines))
    subprocess.run([BASH, "-c", _LOG, "x", str(folder)], env={}, timeout=60, check=False)
    return [_ran(folder / f"log.{number}") for number in range(len(lines))]


def _ran(log: Path) -> list[tuple[str, ...]]:
    if not log.exists():
        return []
    parts = log.read_bytes().split(b"\1\1\0")
    return [
        tuple(word.decode("utf-8", "surrogateescape") for word in part.split(b"\0")[:-1])
        for part in parts
        if part
    ]
