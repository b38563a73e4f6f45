"""Signing in over SSH: what the library would take for a log-in without a proof is never written."""

from __future__ import annotations

import ast

import pytest
from support.source_tree import ROOT, Module, modules


def _begin_auths(module: Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [
        node
        for node in ast.walk(module.tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == "begin_auth"
    ]


@pytest.mark.parametrize(
    "module", [one for one in modules() if _begin_auths(one)], ids=lambda module: module.place
)
def test_begin_auth_is_always_true(module: Module) -> None:
    """False would let in without a proof, and so would forgetting to return anything."""
    for function in _begin_auths(module):
        returned = [node for node in ast.walk(function) if isinstance(node, ast.Return)]
        assert all(
            isinstance(node.value, ast.Constant) and node.value.value is True for node in returned
        )
        assert isinstance(function.body[-1], ast.Return)


def test_somebody_has_one() -> None:
    """The library's own `begin_auth` says True; ours are found where they are."""
    found = {module.place for module in modules() if _begin_auths(module)}
    assert {"proxies/ssh/front.py", "proxies/ssh/inner.py"} <= found


def test_the_library_is_reached_behind_its_documentation_in_one_place() -> None:
    """Only the seams import what is inside asyncssh, so that an upgrade is looked at there."""
    wrong = []
    for module in modules():
        if module.place.startswith("proxies/ssh/") and module.place.endswith("seams.py"):
            continue
        wrong += [
            f"{module.path.relative_to(ROOT)}: line {node.lineno}"
            for node in ast.walk(module.tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("asyncssh.")
        ]
    assert wrong == []
