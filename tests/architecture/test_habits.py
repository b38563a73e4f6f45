"""Habits that no linter knows: owned tasks, one clock, one maker of permits, reasons, sizes."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from support.source_tree import ROOT, Module, calls, comments, modules

_TASKS = re.compile(r"(^|\.)(create_task|ensure_future|TaskGroup|run_coroutine_threadsafe)$")
_CLOCKS = re.compile(
    r"^(time\.(time|time_ns|localtime|gmtime)|(datetime\.)?datetime\.(now|utcnow|today)|date\.today)$"
)
_JUNK = {"utils", "util", "misc", "helpers", "helper", "common", "core", "manager", "managers",
         "base", "stuff", "lib", "tools"}  # fmt: skip

#: Files that may start tasks: the owner of all of them.
_TASK_OWNERS = {"runtime/tasks.py"}
#: Files that may read the wall clock: the clock.
_CLOCK_OWNERS = {"runtime/clock.py"}
_MAKER_OF_PERMITS = "gate/clearance.py"

_FILES = sorted(
    path
    for folder in ("src", "tests", "bench")
    for path in (ROOT / folder).rglob("*.py")
    if "__pycache__" not in path.parts
)
_ids = {"ids": lambda path: path.relative_to(ROOT).as_posix()}
_EACH_MODULE = pytest.mark.parametrize("module", modules(), ids=lambda module: module.place)


@_EACH_MODULE
def test_tasks_have_an_owner(module: Module) -> None:
    """Only runtime/tasks.py starts tasks, so that none is ever lost."""
    if module.place in _TASK_OWNERS:
        return
    assert [f"line {line}: {name}" for line, name in calls(module) if _TASKS.search(name)] == []


@_EACH_MODULE
def test_time_comes_from_the_clock(module: Module) -> None:
    """Only runtime/clock.py reads the wall clock; what needs another way says so with a noqa."""
    if module.place in _CLOCK_OWNERS:
        return
    excused = {line for line, text in comments(module.path) if "noqa: TID251 - " in text}
    wrong = [
        f"line {line}: {name}"
        for line, name in calls(module)
        if _CLOCKS.match(name) and line not in excused
    ]
    assert wrong == []


_PERMITS = {"Permit", "EarlyPermit"}


@_EACH_MODULE
def test_only_clearance_makes_permits(module: Module) -> None:
    """A Permit is the right to forward, so one file makes it and nothing copies it."""
    if module.place == _MAKER_OF_PERMITS:
        return
    made = [
        f"line {line}: {name}"
        for line, name in calls(module)
        if name.split(".")[-1] in _PERMITS or name.endswith("Permit.__new__")
    ]
    heirs = [
        f"line {node.lineno}: class {node.name}"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef)
        and any(isinstance(base, ast.Name) and base.id in _PERMITS for base in node.bases)
    ]
    assert made + heirs == []


@pytest.mark.parametrize("path", _FILES, **_ids)
def test_files_are_small(path: Path) -> None:
    """At most 400 lines."""
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("path", _FILES, **_ids)
def test_files_say_what_they_are_for(path: Path) -> None:
    """Each opens with a docstring whose first paragraph has 1 to 5 lines."""
    said = ast.get_docstring(ast.parse(path.read_text())) or ""
    assert 1 <= len(said.split("\n\n")[0].splitlines()) <= 5


@pytest.mark.parametrize("path", _FILES, **_ids)
def test_no_junk_drawers(path: Path) -> None:
    """No file or folder is named for holding anything at all."""
    words = {
        word
        for part in path.relative_to(ROOT).with_suffix("").parts[1:]
        for word in part.removeprefix("test_").split("_")
    }
    parts = set(path.relative_to(ROOT).with_suffix("").parts[1:])
    assert not (words & {"utils", "misc", "helpers", "manager"})
    assert not (parts & _JUNK)


@pytest.mark.parametrize("path", _FILES, **_ids)
def test_exceptions_have_reasons(path: Path) -> None:
    """Every `noqa` names its rule and says why; every `type: ignore` too."""
    wrong = []
    for line, text in comments(path):
        if re.search(r"#\s*(ruff:\s*)?noqa", text) and not re.search(
            r"noqa: [A-Z]+[0-9]+(, ?[A-Z]+[0-9]+)* +[-:] +\S+", text
        ):
            wrong.append(f"line {line}: {text}")
        if "type: ignore" in text and not re.search(
            r"type: ignore\[[a-z-]+(, ?[a-z-]+)*\] +(# |- )\s*\S+", text
        ):
            wrong.append(f"line {line}: {text}")
    assert wrong == []


@pytest.mark.parametrize(
    "path",
    [path for path in _FILES if path.name.startswith("test_")],
    **_ids,
)
def test_tests_are_stories(path: Path) -> None:
    """Each test says in its docstring the claim that it proves, and none sleeps."""
    tree = ast.parse(path.read_text())
    silent = [
        node.name
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]
    assert silent == []
