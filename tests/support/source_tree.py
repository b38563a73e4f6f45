"""The source as a tree of modules, for the tests that prove its architecture."""

from __future__ import annotations

import ast
import functools
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"
PACKAGE = "gatekeep"


@dataclass(frozen=True)
class Module:
    """One file of the package; `name` is dotted, without `.__init__`."""

    name: str
    path: Path
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        """The room that it stands in; a lone file is its own room, the root package is empty."""
        parts = self.name.split(".")
        return parts[1] if len(parts) > 1 else ""

    @property
    def place(self) -> str:
        """The path below the package, as shown in failures."""
        return self.path.relative_to(SOURCE / PACKAGE).as_posix()


@functools.cache
def modules() -> tuple[Module, ...]:
    """Every module of the package."""
    found = []
    for path in sorted((SOURCE / PACKAGE).rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        text = path.read_text()
        found.append(Module(name, path, text, ast.parse(text)))
    return tuple(found)


def imports(module: Module) -> Iterator[tuple[int, str]]:
    """Every import with its line, wherever it stands: under TYPE_CHECKING and in functions, too."""
    names = {one.name for one in modules()}
    package = module.name if module.path.name == "__init__.py" else module.name.rpartition(".")[0]
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield node.lineno, inner if inner in names else base
        elif _is_import_call(node) and isinstance(node, ast.Call):
            yield node.lineno, str(ast.literal_eval(node.args[0]))


def _is_import_call(node: ast.AST) -> bool:
    """`importlib.import_module("…")`: an import that only looks like a call."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, (ast.Attribute, ast.Name))
        and (node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id)
        in {"import_module", "__import__"}
        and bool(node.args)
        and isinstance(node.args[0], ast.Constant)
    )


def dotted(node: ast.AST) -> str:
    """`a.b.c` of an attribute chain, empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        inner = dotted(node.value)
        return f"{inner}.{node.attr}" if inner else node.attr
    return ""


def calls(module: Module) -> Iterator[tuple[int, str]]:
    """Every call with its line and the dotted name called."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and dotted(node.func):
            yield node.lineno, dotted(node.func)


def comments(path: Path) -> Iterator[tuple[int, str]]:
    """Every comment with its line; text in strings is none."""
    with tokenize.open(path) as file:
        for token in tokenize.generate_tokens(io.StringIO(file.read()).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string
