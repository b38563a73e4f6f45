"""Every module has a test file that names it, or a reason why not."""

from __future__ import annotations

import ast
import functools

import pytest
from support.source_tree import ROOT, Module, imports, modules

#: Modules with nothing of their own to prove.
NOTHING_TO_PROVE: dict[str, str] = {
    "gate/permit.py": "two records; test_habits proves who makes them",
    "domain/catalogue.py": "frozen words without behaviour",
    "proxies/ssh/arrivals.py": "one record",
    "ssh_assembly.py": "a list of parts; test_app and every journey start what it makes",
    "parts.py": "a list of parts; test_app and every journey start and close it",
    "http_assembly.py": "a list of parts; test_app and every journey start what it makes",
    "domain/commands.py": "frozen words without behaviour",
    "domain/checkpoints.py": "frozen words without behaviour",
    "domain/memberships.py": "frozen words without behaviour",
    "domain/reviews.py": "frozen words without behaviour",
    "domain/likeness.py": "frozen words without behaviour",
    "domain/suggestions.py": "frozen words without behaviour",
    "feedback/deeds.py": "frozen words without behaviour",
    "feedback/ports.py": "a port",
}


@functools.cache
def proved() -> frozenset[str]:
    """Modules that a test names, and those that these are made of inside their own room."""
    found: set[str] = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        text = path.read_text()
        found |= {target for _, target in imports(Module("tests", path, text, ast.parse(text)))}
    parts = {
        module.name: {
            target for _, target in imports(module) if target.split(".")[:2] == _room_of(module)
        }
        for module in modules()
    }
    waiting = [name for name in found if name in parts]
    while waiting:
        for part in parts[waiting.pop()] - found:
            found.add(part)
            waiting.append(part)
    return frozenset(found)


def _room_of(module: Module) -> list[str]:
    return module.name.split(".")[:2]


@pytest.mark.parametrize(
    "module",
    [
        module
        for module in modules()
        if module.path.name != "__init__.py" and module.place not in NOTHING_TO_PROVE
    ],
    ids=lambda module: module.place,
)
def test_every_module_has_a_test(module: Module) -> None:
    """`tests/room/test_thing*.py` mirrors it, or a test names a module that is made of it."""
    below = module.path.relative_to(ROOT / "src" / "gatekeep").parent
    mirrored = (ROOT / "tests" / below).glob(f"test_{module.path.stem}*.py")
    assert any(mirrored) or module.name in proved()


@pytest.mark.parametrize("place", NOTHING_TO_PROVE)
def test_what_needs_no_proof_still_exists(place: str) -> None:
    """No reason outlives its module."""
    assert (ROOT / "src" / "gatekeep" / place).is_file()
