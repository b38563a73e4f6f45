"""One channel from a target to a client's agent: lists pass, signatures are actions of their own.

Each is judged, and its event durable, before the agent hears of it. Whatever else is asked for is
answered with a failure here; garbage ends the channel.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from gatekeep import messages
from gatekeep.domain.commands import AGENT_FORWARD, CommandFacts, SshAction
from gatekeep.domain.events import EventKind
from gatekeep.domain.outcomes import Outcome, OutcomeKind
from gatekeep.gate.permit import CommandRefusal, Permit
from gatekeep.protocols.ssh import agent as protocol
from gatekeep.protocols.ssh.agent import (
    AgentConversation,
    AgentFault,
    AgentRequest,
    Purpose,
    SignIn,
)
from gatekeep.proxies.ssh.ends import StreamEnd
from gatekeep.proxies.ssh.relay import Relay
from gatekeep.proxies.ssh.seams import hostkey_fingerprint
from gatekeep.proxies.ssh.session import SshSession

_log = structlog.get_logger(__name__)

MOST_REFUSALS: Final = 256
"""Of one connection; from then on its agent is closed."""

_SHOWN: Final = 100
_OUT: Final = "a request is out"
_SLOW: Final = "answers wait"

HostkeyObjection = Callable[[bytes], Awaitable[str]]
"""Why nothing is signed for the host of this key (wire form); empty where something may be."""


class Signatures:
    """What may be signed at all, whatever a rule says; and how often a connection was refused."""

    def __init__(self, hostkey_objection: HostkeyObjection) -> None:
        self._hostkey_objection = hostkey_objection
        self.refusals = 0

    @property
    def exhausted(self) -> bool:
        """Whether there were too many refusals."""
        return self.refusals >= MOST_REFUSALS

    async def objection(self, purpose: Purpose) -> str:
        """Why no rule could permit this; empty where one could."""
        if purpose is None:
            return "unknown data"
        if not isinstance(purpose, SignIn):
            return ""
        if purpose.method != protocol.HOSTBOUND:
            return "not host-bound"
        return await self._hostkey_objection(purpose.host_key)


class AgentRelay(Relay):
    """`ends` are the client's agent, and the target. `fault`: what of ours failed, if it did."""

    def __init__(
        self,
        session: SshSession,
        ends: tuple[StreamEnd, StreamEnd],
        channel: int,
        signatures: Signatures,
    ) -> None:
        super().__init__(*ends)
        self.fault = ""
        self._session = session
        self._channel = channel
        self._signatures = signatures
        self._talk = AgentConversation()
        self._permit: Permit | None = None
        self._told: set[int] = set()
        self._target_ended = False
        self._ended = False

    def from_target(self, data: bytes, *, stderr: bool) -> None:
        """Requests; they are looked at one by one."""
        if self._over:
            return
        if stderr:
            self._target_fault("extended data")
            return
        try:
            self._talk.receive_target(data)
            self._go_on()
        except AgentFault as fault:
            self._target_fault(str(fault))

    def target_eof(self) -> None:
        """No more requests; those that are there are answered first."""
        self._target_ended = True
        if self._talk.idle:
            self.client.write_eof()

    def from_client(self, data: bytes) -> None:
        """Answers of the agent, each to the request that is out."""
        if self._ended:
            return
        try:
            answer = self._talk.receive_agent(data)
        except AgentFault as fault:
            self._end(EventKind.PROTOCOL_FAULT, str(fault))
            return
        if answer is None:
            return
        permit, self._permit = self._permit, None
        if permit is not None:
            signed = answer.kind == protocol.SIGN_RESPONSE
            outcome = (OutcomeKind.DONE, "signed") if signed else (OutcomeKind.FAILED, "refused")
            self._session.settle(permit, Outcome(*outcome))
        self.target.write(answer.frame)
        try:
            self._go_on()
        except AgentFault as fault:
            self._target_fault(str(fault))

    def target_writable(self, *, writable: bool) -> None:
        """A target that does not read our refusals is not heard either: nobody else slows it."""
        super().target_writable(writable=writable)
        pause = self.target.resume if writable else self.target.pause
        pause(_SLOW)

    @property
    def _over(self) -> bool:
        """Whether nothing is taken any more: no event may stand behind the end of the session."""
        return self._ended or self._session.over.is_set()

    async def finish(self) -> None:
        """What was sent to the agent and not answered is told so."""
        self._ended = True
        permit, self._permit = self._permit, None
        if permit is not None:
            self._session.settle(permit, Outcome(OutcomeKind.CANCELLED))

    def _go_on(self) -> None:
        """Take requests until one is out; the target waits as long as it is."""
        refusals = bytearray()  # told at once: a packet for each would cost more than it says
        while not self._ended and (request := self._talk.take()) is not None:
            if request.kind == protocol.REQUEST_IDENTITIES and self._session.agent is not None:
                self.client.write(self._talk.forward())
            elif request.kind == protocol.SIGN_REQUEST:
                self._session.owner.spawn(self._judged(request), name="signature")
            else:
                refusals += self._talk.refuse()
                self._not_offered(request.kind)
        self.target.write(bytes(refusals))
        if not self._talk.idle:
            self.target.pause(_OUT)
            return
        self.target.resume(_OUT)
        if self._target_ended:
            self.client.write_eof()

    async def _judged(self, request: AgentRequest) -> None:
        try:
            permit = await self._permitted(request)
            if self._ended:
                if permit is not None:
                    self._session.settle(permit, Outcome(OutcomeKind.SKIPPED))
            elif permit is not None:
                frame, self._permit = self._talk.forward(), permit
                self._session.goes_out(permit)
                self.client.write(frame)
            else:
                self.target.write(self._talk.refuse())
                self._go_on()
        except AgentFault as fault:
            self._target_fault(str(fault))
        except Exception as error:  # noqa: BLE001 - fail closed: this channel, and no other
            _log.exception("agent failed", session=self._session.live.session.code)
            self.fault = type(error).__name__
            self._abort()

    async def _permitted(self, request: AgentRequest) -> Permit | None:
        session, text = self._session, sign_text(request)
        cause = await self._signatures.objection(request.purpose)
        if self._over:
            return None
        if not cause and not session.still_admitted():
            cause = "not admitted"
        if not cause and session.agent is None:
            cause = "taken back"
        if cause:
            self._refuse(text, cause)
            return None
        action = SshAction(
            "agent", text, (CommandFacts(AGENT_FORWARD),),
            digest=hashlib.sha256(request.data).hexdigest(),
            details={"channel": self._channel, "signs": _shown(request)},
        )  # fmt: skip
        answer = await session.clear(action)
        if isinstance(answer, CommandRefusal):
            self._counted()
            return None
        return answer

    def _not_offered(self, kind: int) -> None:
        """Told once for each kind; extensions never, clients on the target try them all the time.

        Nor is a list that is asked for after the agent was taken back.
        """
        if kind not in (protocol.EXTENSION, protocol.REQUEST_IDENTITIES) and kind not in self._told:
            self._told.add(kind)
            self._refuse(f"agent request {kind}", "not_offered")

    def _refuse(self, text: str, cause: str) -> None:
        self._session.refuse("agent", text, cause)
        self._counted()

    def _counted(self) -> None:
        self._signatures.refusals += 1
        if self._signatures.exhausted:
            self._target_fault("too many refusals")

    def _target_fault(self, what: str) -> None:
        self._end(EventKind.TARGET_FAULT, what)

    def _end(self, kind: EventKind, what: str) -> None:
        """The channel ends; the record says whose fault it is."""
        if not self._ended:
            self._session.note(kind, {"what": f"agent: {what}", "channel": self._channel})
            self._abort()

    def _abort(self) -> None:
        self._ended = True
        self.client.abort()
        self.target.abort()


def sign_text(request: AgentRequest) -> str:
    """What is to be signed, for people."""
    shown = _shown(request)
    if "namespace" in shown:
        what = f"SSHSIG {shown['namespace']}"
    elif "login" in shown:
        what = f"user {shown['login']} at {shown.get('host_key', 'any host')}"
    else:
        what = "unknown data"
    return f"sign: {what} with {shown['key']}"


def _shown(request: AgentRequest) -> dict[str, str]:
    """The same in its parts."""
    key, purpose = {"key": hostkey_fingerprint(request.key)}, request.purpose
    if purpose is None:
        return key
    if not isinstance(purpose, SignIn):
        return {**key, "namespace": messages.printable(purpose.namespace, _SHOWN)}
    shown = {**key, "login": messages.printable(purpose.login, _SHOWN)}
    if not purpose.host_key:
        return shown
    return {**shown, "host_key": hostkey_fingerprint(purpose.host_key)}
