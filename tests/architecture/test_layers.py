"""Imports point one way, as the table in docs/architecture.md says."""

from __future__ import annotations

import re

import pytest
from support.source_tree import PACKAGE, ROOT, Module, imports, modules

#: Everybody may import these; the document says why.
_SHARED = {"errors", "messages", "documents", ""}
_SHARED_FOR_PURE = {"errors", "messages", ""}
_PURE = {"domain", "protocols", "policy"}
_EVERYTHING = "everything"


def table() -> dict[str, set[str]]:
    """Room → what it may import, read from the document."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    section = text.split("## Rooms")[1].split("\n## ")[0]
    allowed: dict[str, set[str]] = {}
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        rooms = re.findall(r"`([a-z_]+)`", cells[0]) if line.startswith("| `") else []
        may = set(re.split(r",\s*", cells[2])) - {"nothing"} if rooms else set()
        for room in rooms:
            allowed[room] = may
    return allowed


TABLE = table()


def _may_import(module: Module, target: str) -> bool:
    may = TABLE[module.room] if module.room else set()
    parts = target.split(".")
    room = parts[1] if len(parts) > 1 else ""
    shared = _SHARED_FOR_PURE if module.room in _PURE else _SHARED
    if room == module.room or _EVERYTHING in may or room in shared:
        return True
    return room in may or ".".join(parts[1:3]) in may


def test_the_document_knows_every_room() -> None:
    """A package or file that the table does not name is a room nobody agreed on."""
    rooms = {module.room for module in modules()} - _SHARED
    assert rooms <= set(TABLE), f"not in docs/architecture.md: {sorted(rooms - set(TABLE))}"


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.place)
def test_imports_follow_the_table(module: Module) -> None:
    """No import goes against the table, hidden ones under TYPE_CHECKING or in functions included."""
    if module.room in _SHARED:
        wrong = [
            f"line {line}: {target}"
            for line, target in imports(module)
            if target.startswith(PACKAGE) and target.split(".")[1:2] not in ([], *_shared_lists())
        ]
    else:
        wrong = [
            f"line {line}: {target}"
            for line, target in imports(module)
            if target.split(".")[0] == PACKAGE and not _may_import(module, target)
        ]
    assert wrong == []


def _shared_lists() -> list[list[str]]:
    return [[name] for name in _SHARED if name]


def test_the_root_package_imports_nothing() -> None:
    """Else every room could cycle through it."""
    root = next(module for module in modules() if module.name == PACKAGE)
    assert list(imports(root)) == []


def test_no_modules_form_a_cycle() -> None:
    """Inside a room, too, imports have one direction."""
    edges = {
        module.name: {t for _, t in imports(module) if t.split(".")[0] == PACKAGE} - {module.name}
        for module in modules()
    }
    done: set[str] = set()
    path: list[str] = []

    def visit(name: str) -> None:
        if name in done or name not in edges:
            return
        assert name not in path, " → ".join([*path[path.index(name) :], name])
        path.append(name)
        for target in sorted(edges[name]):
            visit(target)
        path.pop()
        done.add(name)

    for name in edges:
        visit(name)
