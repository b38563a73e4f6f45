"""Clients in other languages, fetched once with their own package managers into a cache.

Nothing of them is in this repository but small programs that use them. Where a tool or the network
is missing, the test is skipped with the reason.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

NODE_POSTGRES = "8.23.1"
NODE_CURSOR = "2.22.0"
JDBC = "42.7.14"
PLAYER = "3.17.0"
CLIENTS = Path(__file__).parents[1] / "compatibility" / "clients"
_LIMIT_S = 240


def cache() -> Path:
    """Where fetched clients stay between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "gatekeep-tests"


def node_modules() -> Path:
    """A NODE_PATH with node-postgres in it."""
    needed("node")
    place = cache() / f"node-pg-{NODE_POSTGRES}"
    modules = place / "node_modules"
    if not (modules / "pg-cursor" / "package.json").exists():
        needed("npm")
        place.mkdir(parents=True, exist_ok=True)
        _fetch(
            "npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix", str(place),
            f"pg@{NODE_POSTGRES}", f"pg-cursor@{NODE_CURSOR}",
        )  # fmt: skip
    return modules


def asciinema_player() -> Path:
    """The directory of the public player's modules."""
    needed("node")
    place = cache() / f"asciinema-player-{PLAYER}"
    modules = place / "node_modules" / "asciinema-player" / "dist"
    if not (modules / "index.js").exists():
        needed("npm")
        place.mkdir(parents=True, exist_ok=True)
        _fetch(
            "npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent",
            "--prefix", str(place), f"asciinema-player@{PLAYER}",
        )  # fmt: skip
    return modules


def jdbc_driver() -> Path:
    """The jar of PostgreSQL's JDBC driver."""
    needed("java")
    jar = cache() / f"postgresql-{JDBC}.jar"
    if not jar.exists():
        needed("mvn")
        jar.parent.mkdir(parents=True, exist_ok=True)
        _fetch(
            "mvn", "-q", "-B", "dependency:copy", f"-Dartifact=org.postgresql:postgresql:{JDBC}",
            f"-DoutputDirectory={jar.parent}",
        )  # fmt: skip
    return jar


def pgx_client(directory: Path) -> Path:
    """Our pgx program, built. The Go tool keeps what it fetched and compiled."""
    needed("go")
    binary = directory / "client"
    _fetch("go", "build", "-o", str(binary), ".", cwd=CLIENTS / "pgx")
    return binary


def needed(tool: str) -> None:
    """Skip where this program is not installed: no rule of ours says it must be."""
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")


def run(
    *command: str, environment: Mapping[str, str] | None = None, cwd: Path | None = None
) -> list[str]:
    """The lines a client printed; a failure shows what it complained of."""
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=100, check=False, cwd=cwd,
        env={**os.environ, **(environment or {})},
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout.splitlines()


def _fetch(*command: str, cwd: Path | None = None) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_LIMIT_S, check=False, cwd=cwd
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"{command[0]} did not fetch its packages within {_LIMIT_S} s")
    if done.returncode:
        told = (done.stderr or done.stdout).strip().splitlines()
        pytest.skip(f"{command[0]} could not fetch its packages: {told[-1] if told else '?'}")
