"""A button's value fits the request and the deed that it was made for, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.slack_samples import sample

from gatekeep.notify.slack_seal import APPROVE, DENY, Seal, request_in


def test_a_value_names_its_request_and_fits_it() -> None:
    """The id can be read from it, and it holds nothing else that can."""
    seal, request = Seal(b"k" * 32), sample()
    value = seal.value(request, APPROVE)
    assert request_in(value) == "K3F9"
    assert seal.fits(value, request, APPROVE)
    assert len(value) < 100
    assert request.digest[:12] not in value


def test_it_fits_nothing_else() -> None:
    """Not another deed, request, digest or key."""
    seal, request = Seal(b"k" * 32), sample()
    value = seal.value(request, APPROVE)
    assert not seal.fits(value, request, DENY)
    assert not seal.fits(value, replace(request, id="L2TT"), APPROVE)
    assert not seal.fits(value, replace(request, digest="0" * 64), APPROVE)
    assert not Seal(b"j" * 32).fits(value, request, APPROVE)
    assert not seal.fits("", request, APPROVE)
    assert not seal.fits("\ud800", request, APPROVE)


@pytest.mark.parametrize("value", ["", "K3F9", "k3f9." + "A" * 43, "K3F9." + "A" * 42, "K3F9." + "ß" * 43, "K3F9." + "A" * 43 + "\n"])
def test_what_is_no_value_names_no_request(value: str) -> None:
    """The desk is not asked about it."""
    assert request_in(value) == ""


def test_a_short_key_is_none() -> None:
    """Nobody seals with an empty key by mistake."""
    with pytest.raises(ValueError, match="32"):
        Seal(b"")
