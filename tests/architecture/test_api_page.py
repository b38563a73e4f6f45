"""docs/api.md says what the API takes and gives."""

from __future__ import annotations

from support.api_page import PAGE, page

from gatekeep.web.approvals import OPERATIONS


def test_the_page_is_made_of_the_table() -> None:
    """`make docs` writes it anew."""
    assert PAGE.read_text() == page()


def test_every_address_stands_on_it_once() -> None:
    """With what it takes and gives."""
    text = PAGE.read_text()
    for one in OPERATIONS:
        assert text.count(f"`{one.method} /api{one.path}`") == 1
        for model in (one.takes, one.gives):
            assert model is None or text.count(f"### {model.__name__}\n") == 1
