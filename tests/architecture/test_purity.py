"""domain, protocols and policy are pure: the same bytes in give the same answer, always."""

from __future__ import annotations

import pytest
from support.source_tree import Module, calls, imports, modules

_PURE = {"domain", "protocols", "policy"}
_BANNED = {
    "asyncio", "threading", "multiprocessing", "concurrent", "select", "selectors", "socket", "ssl",
    "time", "random", "secrets", "logging", "structlog", "os", "io", "pathlib", "shutil",
    "tempfile", "subprocess", "signal", "sqlite3", "apsw", "asyncpg", "aiohttp", "uvloop",
    "urllib.request", "http.client", "importlib.resources", "mmap", "glob", "fcntl", "queue",
    "sched", "platform", "getpass", "pwd", "typer", "rich",
}  # fmt: skip
_BANNED_CALLS = {"open", "print", "input", "datetime.now", "datetime.today", "datetime.utcnow",
                 "date.today", "datetime.datetime.now", "os.urandom", "uuid.uuid1", "uuid.uuid4"}  # fmt: skip


def _pure() -> list[Module]:
    return [module for module in modules() if module.room in _PURE]


@pytest.mark.parametrize("module", _pure(), ids=lambda module: module.place)
def test_pure_rooms_touch_nothing(module: Module) -> None:
    """No event loop, clock, randomness, diagnostics, file or socket is imported or called."""
    wrong = [
        f"line {line}: {target}"
        for line, target in imports(module)
        if any(target == name or target.startswith(name + ".") for name in _BANNED)
    ]
    wrong += [f"line {line}: {name}()" for line, name in calls(module) if name in _BANNED_CALLS]
    assert wrong == []
