"""What is compiled is plain enough for the compiler: the same meaning with and without it."""

from __future__ import annotations

import ast
import runpy
from pathlib import Path

import pytest
import setuptools
from support.source_tree import ROOT

BOUNDS = ("lower", "upper", "step")
HARMLESS_TWICE = {"len", "min", "max"}


def hot_modules() -> list[Path]:
    """The files that `setup.py` hands to the compiler."""
    kept, setuptools.setup = setuptools.setup, lambda **_: None
    try:
        hot: dict[str, str] = runpy.run_path(str(ROOT / "setup.py"))["HOT"]
    finally:
        setuptools.setup = kept
    return [
        ROOT / "src" / "gatekeep" / room / f"{name}.py"
        for room, names in hot.items()
        for name in names.split()
    ]


HOT = hot_modules()


@pytest.mark.parametrize("path", HOT, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_call_stands_inside_a_slice(path: Path) -> None:
    """The compiler evaluates the bounds of a slice of anything but str, bytes and list twice."""
    called = [
        f"line {part.lineno}: {ast.unparse(part)}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Slice)
        for bound in BOUNDS
        for part in ast.walk(getattr(node, bound) or ast.Pass())
        if isinstance(part, ast.Await | ast.NamedExpr)
        or (isinstance(part, ast.Call) and ast.unparse(part.func) not in HARMLESS_TWICE)
    ]
    assert called == []


@pytest.mark.parametrize("path", HOT, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_call_stands_among_what_a_bytes_literal_is_filled_with(path: Path) -> None:
    """The compiler evaluates these too a second time, where it finds that it knows no short way."""
    called = [
        f"line {part.lineno}: {ast.unparse(part)}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Mod)
        and isinstance(node.left, ast.Constant)
        and isinstance(node.left.value, bytes)
        for part in ast.walk(node.right)
        if isinstance(part, ast.Await | ast.NamedExpr)
        or (isinstance(part, ast.Call) and ast.unparse(part.func) not in HARMLESS_TWICE)
    ]
    assert called == []


@pytest.mark.parametrize("path", HOT, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_compiled_class_extends_one_written_in_c(path: Path) -> None:
    """Its memory would be laid out twice: a crash at the first use."""
    bases = [
        ast.unparse(base)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
        for base in node.bases
    ]
    assert not [base for base in bases if "Future" in base or "Task" in base]
