"""docs/messages.md says what the gateway says."""

from __future__ import annotations

from support.messages_page import PAGE, page, sentences


def test_the_page_holds_the_words_on_the_wire() -> None:
    """The page is made from the catalogue of messages; `make docs` writes it anew."""
    assert PAGE.read_text() == page()


def test_every_message_keeps_the_form() -> None:
    """Primary lines are short, begin with our name, and end without a full stop.

    But for a cancelled statement: programs know it by PostgreSQL's own words.
    """
    for name, _, message in sentences():
        ours = message.primary.startswith(("gatekeep: ", "target says: "))
        assert ours or message.sqlstate == "57014", name
        assert not message.primary.endswith("."), name
        assert "\n" not in message.primary, name
