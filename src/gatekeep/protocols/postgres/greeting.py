"""What the door alone says and reads: the welcome after sign-in, and a client's first SASL message.

Pure layout; every other message of the protocol lives in `messages`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping

from gatekeep import messages as words
from gatekeep.errors import ClientFault
from gatekeep.messages import WireMessage
from gatekeep.protocols.postgres import messages
from gatekeep.protocols.postgres.cancel import CancelKey
from gatekeep.protocols.postgres.grammar import unmasked

_LENGTH = struct.Struct(">i")


def welcome(
    parameters: Mapping[str, str],
    key: CancelKey,
    notices: Iterable[WireMessage] = (),
    theirs: Iterable[bytes] = (),
) -> bytes:
    """All that a client gets between its proof and its first statement.

    `theirs` are bodies of the target's notices, which code may say that runs at each login.
    """
    return b"".join(
        (
            messages.authentication_ok(),
            *(messages.parameter_status(name, value) for name, value in parameters.items()),
            messages.backend_key_data(key.pid, key.secret),
            *(messages.notice_response(notice) for notice in notices),
            *(unmasked(b"N", body) or messages.frame(b"N", body) for body in theirs),
            messages.ready_for_query("I"),
        )
    )


def read_sasl_initial(body: bytes) -> tuple[str, bytes]:
    """Mechanism and first message of a SASLInitialResponse. Raises ClientFault."""
    name, zero, rest = body.partition(b"\0")
    if zero and len(rest) >= _LENGTH.size and name.isascii():
        (length,) = _LENGTH.unpack_from(rest)
        response = rest[_LENGTH.size :]
        if length == len(response):
            return name.decode(), response
    answer = words.client_violation("Sign-in sent a malformed SASLInitialResponse.")
    raise ClientFault(answer.primary, cause="malformed SASLInitialResponse", answer=answer)
