"""Fixtures that more than one room needs; each starts something real and ends it."""

from __future__ import annotations

from collections.abc import Iterator

import hypothesis
import pytest
from support.postgres_server import PostgresServer

from gatekeep.journal import live

# How long an example takes is the machine's matter; what a test claims is not.
hypothesis.settings.register_profile("gatekeep", deadline=None)
hypothesis.settings.load_profile("gatekeep")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--compiled`: the package under test must be the compiled one."""
    parser.addoption("--compiled", action="store_true", help="test the compiled package")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Over the compiled package, leave out the few tests that change what is compiled."""
    if not config.getoption("--compiled"):
        return
    if str(live.__file__).endswith(".py"):
        raise pytest.UsageError("--compiled, but gatekeep is not compiled: run make compiled")
    left_out = [item for item in items if item.get_closest_marker("uncompiled")]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One PostgreSQL 18 for each test worker. Make your own database in it."""
    server = PostgresServer()
    yield server
    server.stop()
