"""Host and Origin: which names are ours."""

from __future__ import annotations

import pytest

from gatekeep.web.hosts import name_of


@pytest.mark.parametrize(
    ("authority", "name"),
    [
        ("localhost:8081", "localhost"),
        ("LOCALHOST.", "localhost"),
        ("[::1]:8081", "::1"),
        ("127.0.0.1", "127.0.0.1"),
        ("localhost@evil.example", "evil.example"),
        ("evil.example#localhost", "evil.example"),
        ("", ""),
        ("[::1", ""),
        ("localhost.evil.example", "localhost.evil.example"),
    ],
)
def test_the_name_in_an_authority(authority: str, name: str) -> None:
    """Ports, case, dots, user parts and brackets do not hide the name."""
    assert name_of(authority) == name
