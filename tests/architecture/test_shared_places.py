"""Modules of tests that share a target: which of them meet on one worker is chance."""

from __future__ import annotations

import ast
import re
from collections import defaultdict

from support.source_tree import ROOT

_MADE = re.compile(
    r"CREATE (?:OR REPLACE )?(?:UNLOGGED )?(?:TABLE|VIEW|FUNCTION|TYPE|SCHEMA|SEQUENCE|DOMAIN) (?!IF )([\w.]+)"
)


def test_what_a_module_makes_on_a_shared_target_is_its_own() -> None:
    """`place.make` of two modules never makes the same name, or one of them fails by chance."""
    makers: dict[tuple[str, str], set[str]] = defaultdict(set)
    for path in sorted((ROOT / "tests" / "journeys").glob("test_*.py")):
        for call in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(call, ast.Call)
                and isinstance(call.func, ast.Attribute)
                and call.func.attr == "make"
                and isinstance(call.func.value, ast.Name)
            ):
                for name in _MADE.findall(ast.unparse(call)):
                    makers[call.func.value.id, name].add(path.name)
    assert len(makers) > 10, "the fixtures are found"
    assert {made: files for made, files in makers.items() if len(files) > 1} == {}
