"""Operations: how an address takes and gives, whatever it is about."""

from __future__ import annotations

import json

from pydantic import BaseModel

from gatekeep.web.approvals import OPERATIONS
from gatekeep.web.operations import model_answer


class Told(BaseModel):
    """A text."""

    text: str


def test_any_text_can_be_carried() -> None:
    """Also what is no text at all, such as half a pair of surrogates: it comes back the same."""
    text = "é\x1b\u202e\ud800\U0001f600\x00"
    answer = model_answer(Told(text=text))
    assert isinstance(answer.body, bytes)
    assert answer.body.isascii()
    assert json.loads(answer.body) == {"text": text}


def test_no_address_with_get_takes_a_body_or_changes_anything() -> None:
    """What GET does not offer cannot be followed: changes are POST or DELETE."""
    reading = {"list", "show", "on"}
    for one in OPERATIONS:
        first = "".join(" " + c if c.isupper() else c for c in one.name).split()[0]
        assert (one.method == "GET") == (first in reading), one.name
        assert not (one.method == "GET" and one.has_body)
        assert one.path.startswith("/v1/")


def test_every_address_says_whose_it_is() -> None:
    """The documents need it, and so does whoever reviews them."""
    assert all(one.action and one.summary for one in OPERATIONS)
    assert len({(one.method, one.path) for one in OPERATIONS}) == len(OPERATIONS)
    assert len({one.name for one in OPERATIONS}) == len(OPERATIONS)
