"""Agent forwarding: asked for by a channel, judged, and then opened by the target while that runs.

Needs a policy that permits it and a principal with a second factor. What goes over an opened agent
is `agent_relay`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import asyncssh

from gatekeep import messages
from gatekeep.domain.commands import AGENT_FORWARD, CommandFacts, SshAction
from gatekeep.domain.decisions import Verdict
from gatekeep.domain.events import EventKind
from gatekeep.domain.outcomes import Outcome, OutcomeKind
from gatekeep.gate.permit import CommandRefusal
from gatekeep.messages import ssh as words
from gatekeep.proxies.ssh.agent_relay import AgentRelay, HostkeyObjection, Signatures
from gatekeep.proxies.ssh.agent_seams import REQUEST, open_agent
from gatekeep.proxies.ssh.arrivals import Arrival
from gatekeep.proxies.ssh.ends import ClientEnd, StreamEnd
from gatekeep.proxies.ssh.session import SshSession

_PROHIBITED: Final = asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED
_MOST_OPEN: Final = 16
"""Channels to one client's agent at once."""

_MOST_NOTES: Final = 64
"""How often the record says that an agent was not opened."""

_FACTS: Final = (CommandFacts(AGENT_FORWARD),)


def _nobody(_arrival: Arrival) -> bool:
    return False


async def _nowhere(_host_key: bytes) -> str:
    return "unknown host key"


@dataclass(frozen=True, slots=True)
class AgentTerms:
    """What forwarding hangs on beside the policy; as it stands here, nobody's agent is forwarded.

    `second_factor(arrival)`: whether somebody signed in with one, and could not do so without.
    `hostkey_objection`: see its type.
    """

    second_factor: Callable[[Arrival], bool] = _nobody
    hostkey_objection: HostkeyObjection = _nowhere


class AgentGrant:
    """Grants a client's agent to its session, and opens it for the target."""

    def __init__(self, connection: asyncssh.SSHServerConnection, terms: AgentTerms) -> None:
        self._connection = connection
        self._terms = terms
        self._signatures = Signatures(terms.hostkey_objection)
        self._open = 0
        self._noted = 0

    async def asked(self, session: SshSession, end: ClientEnd) -> bool:
        """Whether this channel's target may be offered the agent; durable before it is answered."""
        granted = await self._granted(session, end)
        if granted:
            end.agent = lambda: self._opened(session)
        return granted

    async def _granted(self, session: SshSession, end: ClientEnd) -> bool:
        """A refusal is in the record and not said: many clients offer their agent everywhere.

        Only who lacks nothing but a second factor is told.
        """
        action = SshAction("agent", REQUEST, _FACTS)
        unfit = self._unfit(session, end)
        proven = self._terms.second_factor(session.arrival)
        judged = session.rooms.policy.judge_command(session.live.session, action)
        if not unfit and not proven and judged.decision.verdict is Verdict.ALLOW:
            unfit, end.notes = "no second factor", words.agent_needs_second_factor()
        if unfit:
            session.refuse(action.mode, REQUEST, unfit)
            return False
        answer = await session.clear(action)
        if isinstance(answer, CommandRefusal):
            return False
        if not proven:  # the policy changed its mind between two words
            session.settle(answer, Outcome(OutcomeKind.SKIPPED))
            return False
        session.goes_out(answer)
        session.settle(answer, Outcome(OutcomeKind.DONE, "granted"))
        return True

    def _unfit(self, session: SshSession, end: ClientEnd) -> str:
        if end.kind:
            return "too late"
        if "agent-forwarding" in session.arrival.forbidden:
            return "certificate"
        return "" if session.still_admitted() else "not admitted"

    async def _opened(self, session: SshSession) -> StreamEnd:
        """The end that the target talks to. Raises asyncssh.ChannelOpenError."""
        fit = self._open < _MOST_OPEN and not self._signatures.exhausted
        number = session.enter() if fit and session.still_admitted() else None
        if number is None:
            self._not_opened(session, "too many, or not admitted")
            raise asyncssh.ChannelOpenError(_PROHIBITED, words.request_refused("another agent"))
        self._open += 1
        try:
            agent, target = StreamEnd(), StreamEnd()
            await open_agent(self._connection, agent)
        except BaseException as error:
            self._open -= 1
            session.leave()
            if isinstance(error, asyncssh.Error | OSError):
                why = messages.printable(str(error), 100)
                self._not_opened(session, why)
                raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, why) from None
            raise
        relay = AgentRelay(session, (agent, target), number, self._signatures)
        session.owner.spawn(self._relayed(session, relay, number), name="agent")
        return target

    def _not_opened(self, session: SshSession, why: str) -> None:
        self._noted += 1
        if self._noted <= _MOST_NOTES:
            session.note(EventKind.CHANNEL_CLOSED, {"mode": "agent", "fault": why})

    async def _relayed(self, session: SshSession, relay: AgentRelay, number: int) -> None:
        session.note(EventKind.CHANNEL_OPENED, {"channel": number, "mode": "agent"})
        try:
            with session.told(lambda _text: relay.client.close()), session.carrying(relay):
                await relay.run()
        finally:
            payload: dict[str, object] = {
                "bytes_in": relay.bytes_in, "bytes_out": relay.bytes_out, "channel": number,
                "mode": "agent",
            }  # fmt: skip
            if relay.fault:
                payload["fault"] = relay.fault
            session.note(EventKind.CHANNEL_CLOSED, payload)
            relay.client.close()
            self._open -= 1
            session.leave()
