"""The agent protocol (draft-miller-ssh-agent) between a target and a client's agent: list and sign only.

Sans-IO. What a signature would be good for is read here; whether it may be made is decided by others.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass
from typing import Final

FAILURE: Final = 5
REQUEST_IDENTITIES: Final = 11
IDENTITIES_ANSWER: Final = 12
SIGN_REQUEST: Final = 13
SIGN_RESPONSE: Final = 14
EXTENSION: Final = 27

LONGEST: Final = 256 * 1024
"""Bytes of one message, behind its length. As much again may wait behind it."""

HOSTBOUND: Final = "publickey-hostbound-v00@openssh.com"
"""The sign-in that names the host key of where it is meant for."""

_LENGTH: Final = 4
_USERAUTH_REQUEST: Final = 50
_SESSION_IDS: Final = (20, 64)  # bytes: from SHA-1 to SHA-512
_SSHSIG: Final = b"SSHSIG"
_FLAGS: Final = 0x02 | 0x04  # RSA with SHA-256, with SHA-512
_ANSWERS: Final = {REQUEST_IDENTITIES: IDENTITIES_ANSWER, SIGN_REQUEST: SIGN_RESPONSE}


class AgentFault(ValueError):  # noqa: N818 - what was sent, not a mistake of ours
    """Bytes that are no message of this protocol, or not now: the channel is to be closed."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """Data whose signature signs in: at a host, or anywhere (`host_key` empty: not host-bound)."""

    login: str
    method: str
    host_key: bytes = b""


@dataclass(frozen=True, slots=True)
class SignedText:
    """Data of `ssh-keygen -Y sign`: good for nothing but its namespace."""

    namespace: str


Purpose = SignIn | SignedText | None
"""What a signature would be good for; None where that is not known."""


@dataclass(frozen=True, slots=True)
class AgentRequest:
    """One whole request of the target. `key`, `data` and `purpose` are those of a SIGN_REQUEST."""

    kind: int
    key: bytes = b""
    data: bytes = b""
    purpose: Purpose = None


@dataclass(frozen=True, slots=True)
class AgentAnswer:
    """One whole answer of the client's agent, as it goes to the target."""

    kind: int
    frame: bytes


class _State(enum.Enum):
    """Where a conversation stands.

    IDLE      a whole request is there and is taken       → JUDGED
              a byte of the agent                         → fault
    JUDGED    forwarded (list and sign only)              → ASKED
              refused                                     → IDLE
              a byte of the agent                         → fault
    ASKED     the answer to this kind, or FAILURE, whole  → IDLE
              any other, or bytes behind it               → fault
    BROKEN    (after a fault) anything                    → fault
    """

    IDLE = 1
    JUDGED = 2
    ASKED = 3
    BROKEN = 4


class AgentConversation:
    """One channel. Every method may raise AgentFault, and from then on all of them do."""

    def __init__(self) -> None:
        self._state = _State.IDLE
        self._from_target = bytearray()
        self._from_agent = bytearray()
        self._frame = b""
        self._kind = 0

    @property
    def idle(self) -> bool:
        """Whether no request waits for its decision or its answer."""
        return self._state is _State.IDLE

    def receive_target(self, data: bytes) -> None:
        """Bytes of the target, however they are cut; whole requests are taken by `take`."""
        self._demand(self._state is not _State.BROKEN, "after a fault")
        self._from_target += data
        self._demand(len(self._from_target) <= 2 * (LONGEST + _LENGTH), "too much at once")
        self._whole(self._from_target)

    def take(self) -> AgentRequest | None:
        """The next whole request, unless one is still out. It waits for `forward` or `refuse`."""
        self._demand(self._state is not _State.BROKEN, "after a fault")
        end = self._whole(self._from_target)
        if self._state is not _State.IDLE or not end:
            return None
        self._frame = bytes(self._from_target[:end])
        del self._from_target[:end]
        self._state, self._kind = _State.JUDGED, self._frame[_LENGTH]
        body = self._frame[_LENGTH + 1 :]
        if self._kind == SIGN_REQUEST:
            return self._sign_request(body)
        self._demand(self._kind != REQUEST_IDENTITIES or not body, "a list asked for with more")
        return AgentRequest(self._kind)

    def forward(self) -> bytes:
        """The request that was taken goes to the agent, as it came."""
        self._demand(self._state is _State.JUDGED and self._kind in _ANSWERS, "nothing to forward")
        self._state = _State.ASKED
        return self._frame

    def refuse(self) -> bytes:
        """The answer to the request that was taken: no."""
        self._demand(self._state is _State.JUDGED, "nothing to refuse")
        self._state = _State.IDLE
        return struct.pack(">IB", 1, FAILURE)

    def receive_agent(self, data: bytes) -> AgentAnswer | None:
        """Bytes of the client's agent; the answer once it is whole."""
        self._demand(self._state is _State.ASKED or not data, "an answer that nobody asked for")
        self._from_agent += data
        end = self._whole(self._from_agent)
        if len(self._from_agent) > _LENGTH:
            kind = self._from_agent[_LENGTH]
            self._demand(kind in (FAILURE, _ANSWERS[self._kind]), "another answer than asked for")
        if not end:
            return None
        self._demand(len(self._from_agent) == end, "bytes behind an answer")
        answer = AgentAnswer(self._from_agent[_LENGTH], bytes(self._from_agent))
        self._demand(answer.kind != FAILURE or end == _LENGTH + 1, "a failure with more")
        self._from_agent.clear()
        self._state = _State.IDLE
        return answer

    def _sign_request(self, body: bytes) -> AgentRequest:
        fields = _Fields(body)
        key, data, flags = fields.string(), fields.string(), fields.number()
        self._demand(fields.at_end and bool(key), "a request to sign that is none")
        known = not flags & ~_FLAGS
        return AgentRequest(SIGN_REQUEST, key, data, purpose_of(data, key) if known else None)

    def _whole(self, held: bytearray) -> int:
        """Where the first message in `held` ends; 0 while it is not whole."""
        if len(held) < _LENGTH:
            return 0
        length = int.from_bytes(held[:_LENGTH], "big")
        self._demand(0 < length <= LONGEST, "no length of a message")
        return _LENGTH + length if len(held) >= _LENGTH + length else 0

    def _demand(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self._state = _State.BROKEN
            raise AgentFault(otherwise)


def purpose_of(data: bytes, key: bytes) -> Purpose:
    """What a signature of `data` by `key` would be good for."""
    if data.startswith(_SSHSIG):
        return _signed_text(data)
    fields = _Fields(data)
    session_id = fields.string()
    head = fields.byte()
    login, service, method = fields.string(), fields.string(), fields.string()
    asked, algorithm, proven = fields.byte(), fields.string(), fields.string()
    bound = method == HOSTBOUND.encode()
    host_key = fields.string() if bound else b""
    sound = (
        fields.at_end
        and _SESSION_IDS[0] <= len(session_id) <= _SESSION_IDS[1]
        and head == _USERAUTH_REQUEST
        and service == b"ssh-connection"
        and asked == 1
        and bool(algorithm)
        and proven == key
    )
    named = _text(login), _text(method)
    if not sound or None in named or (bound and not host_key):
        return None
    return SignIn(named[0] or "", named[1] or "", host_key)


def _signed_text(data: bytes) -> SignedText | None:
    fields = _Fields(data[len(_SSHSIG) :])
    namespace, _reserved, algorithm, digest = (fields.string() for _ in range(4))
    shown = _text(namespace)
    sizes = {b"sha256": 32, b"sha512": 64}
    if not fields.at_end or not shown or len(digest) != sizes.get(algorithm):
        return None
    return SignedText(shown)


def _text(raw: bytes) -> str | None:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return None


class _Fields:
    """Fields of SSH in order. What is not there reads as empty, and there is never an end then."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0
        self._short = False

    @property
    def at_end(self) -> bool:
        """Whether all fields were there, and nothing behind them."""
        return not self._short and self._place == len(self._data)

    def byte(self) -> int:
        """One byte."""
        return int.from_bytes(self._next(1), "big")

    def number(self) -> int:
        """A uint32."""
        return int.from_bytes(self._next(4), "big")

    def string(self) -> bytes:
        """A length and as many bytes."""
        return self._next(self.number())

    def _next(self, size: int) -> bytes:
        end = self._place + size
        if self._short or end > len(self._data):
            self._short = True
            return b""
        found = self._data[self._place : end]
        self._place = end
        return found
