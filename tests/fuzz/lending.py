"""Fuzz target: the agent protocol between a target and a client's agent, both of them hostile."""

from __future__ import annotations

from support.agent_wire import FAILED, HOST, KEY, LIST, message, sign_in, sign_request, signed_text

from fuzz.draw import Draw
from gatekeep.protocols.ssh.agent import (
    REQUEST_IDENTITIES,
    SIGN_REQUEST,
    AgentConversation,
    AgentFault,
    AgentRequest,
    SignIn,
    purpose_of,
)

_PASSED = (REQUEST_IDENTITIES, SIGN_REQUEST)
_FROM_TARGET = (
    LIST, sign_request(KEY, sign_in(KEY, HOST)), sign_request(KEY, sign_in(KEY)),
    sign_request(KEY, signed_text("git")), sign_request(KEY, b"text"), message(27, b"x"),
    message(17, KEY), message(19), b"\0\0\0\0",
)  # fmt: skip
_FROM_AGENT = (message(12, b"\0\0\0\0"), message(14, b"\0\0\0\1x"), FAILED, message(6), b"\0")


class _Talk:
    """A conversation, and the two streams that it was told of."""

    def __init__(self) -> None:
        self._talk = AgentConversation()
        self._asked = b""
        self._taken = b""
        self._said = b""

    def ask(self, draw: Draw, raw: bytes) -> None:
        """Bytes of the target, in pieces; what is whole is forwarded or refused."""
        for piece in draw.pieces(raw):
            self._asked += piece
            self._talk.receive_target(piece)
            self.go_on(draw)

    def answer(self, draw: Draw, raw: bytes) -> None:
        """Bytes of the agent: what comes out is what went in, and only if somebody asked."""
        for piece in draw.pieces(raw):
            waited = not self._talk.idle
            self._said += piece
            found = self._talk.receive_agent(piece)
            if found is not None:
                assert waited
                assert found.frame == self._said
                self._said = b""
        self.go_on(draw)

    def go_on(self, draw: Draw) -> None:
        """Every request is one that was sent, in order; nothing but list and sign is forwarded."""
        while (request := self._talk.take()) is not None:
            if request.kind in _PASSED and not draw.chance(3):
                frame = self._talk.forward()
                assert frame[4] == request.kind
                assert self._asked.startswith(self._taken + frame)
            else:
                size = int.from_bytes(self._asked[len(self._taken) :][:4], "big")
                frame = self._asked[len(self._taken) :][: 4 + size]
                assert frame[4] == request.kind
                assert self._talk.refuse() == FAILED
            self._taken += frame
            _understood(request)

    def broken(self) -> None:
        """Behind a fault nothing is done any more."""
        for call in (self._talk.take, self._talk.forward, self._talk.refuse):
            try:
                call()
            except AgentFault:
                continue
            raise AssertionError(call)


def _understood(request: AgentRequest) -> None:
    purpose = purpose_of(request.data, request.key)
    assert request.purpose in (purpose, None)
    if isinstance(purpose, SignIn):
        assert request.key in request.data
        assert purpose.host_key in request.data


def check(draw: Draw) -> None:
    """One conversation, to its end or its first fault."""
    talk = _Talk()
    try:
        for _ in draw.times(12):
            from_agent = draw.chance(2)
            raw = draw.choice(_FROM_AGENT if from_agent else _FROM_TARGET)
            if draw.chance(6):
                raw = draw.damaged(raw)
            (talk.answer if from_agent else talk.ask)(draw, raw)
    except AgentFault:
        talk.broken()
