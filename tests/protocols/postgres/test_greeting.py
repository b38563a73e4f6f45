"""The welcome after sign-in, and a client's first SASL message."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeep.errors import ClientFault
from gatekeep.messages import encoding_is_utf8
from gatekeep.protocols.postgres import messages
from gatekeep.protocols.postgres.cancel import CancelKey
from gatekeep.protocols.postgres.greeting import read_sasl_initial, welcome


def test_the_welcome_ends_ready() -> None:
    """AuthenticationOk, parameters, our key, notices, ReadyForQuery, in this order."""
    notice = encoding_is_utf8("SQL_ASCII")
    assert welcome({"TimeZone": "UTC"}, CancelKey(7, b"abcd"), [notice]) == (
        b"R\0\0\0\x08\0\0\0\0"
        b"S\0\0\0\x11TimeZone\0UTC\0"
        b"K\0\0\0\x0c\0\0\0\x07abcd" + messages.notice_response(notice) + b"Z\0\0\0\x05I"
    )


def test_notices_of_the_target_are_passed_on() -> None:
    """As they are, before ReadyForQuery; one that speaks as gatekeep has its origin named."""
    hello, mask = b"SNOTICE\0Mhello\0\0", b"SNOTICE\0Mgatekeep: all is well\0\0"
    said = welcome({}, CancelKey(7, b"abcd"), theirs=[hello, mask])
    assert messages.frame(b"N", hello) in said
    assert b"Mtarget says: gatekeep: all is well\0" in said
    assert said.endswith(b"Z\0\0\0\x05I")


@given(st.text(st.characters(max_codepoint=127, exclude_characters="\0")), st.binary())
def test_what_a_client_writes_is_read(mechanism: str, data: bytes) -> None:
    """Mechanism and first message."""
    body = messages.sasl_initial_response(mechanism, data)[5:]
    assert read_sasl_initial(body) == (mechanism, data)


@pytest.mark.parametrize("body", [b"", b"SCRAM", b"S\0", b"S\0\0\0\0\x05abc", b"S\0\xff\xff\xff\xff"])
def test_malformed_ones(body: bytes) -> None:
    """Are the client's fault; so is one without its first message."""
    with pytest.raises(ClientFault):
        read_sasl_initial(body)
