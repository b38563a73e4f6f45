"""docs/messages.md says what the gateway says."""

from __future__ import annotations

from support.messages_page import PAGE, page, sentences


def test_the_page_holds_the_words_on_the_wire() -> None:
    """The page is made from the catalogue of messages; `make docs` writes it anew."""
    assert PAGE.read_text() == page()


def test_every_message_keeps_the_form() -> None:
    """Primary lines are short, begin with our name, and end without a full stop."""
    for name, _, message in sentences():
        assert message.primary.startswith(("gatekeep: ", "target says: ")), name
        assert not message.primary.endswith("."), name
        assert "\n" not in message.primary, name
