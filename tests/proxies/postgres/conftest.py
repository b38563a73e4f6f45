"""One PostgreSQL with TLS for all stories of targets: it is dear to start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support import tls_target as target


@pytest.fixture(scope="session")
def tls_target() -> Iterator[target.TlsTarget]:
    """Debian's PostgreSQL (the wheel's has no TLS) with accounts for every method."""
    yield from target.start()
