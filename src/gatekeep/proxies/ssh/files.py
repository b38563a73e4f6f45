"""sftp and scp: each file operation is judged and recorded before the target hears of it.

Carries out what the conversation about files says, in order. Contents pass untouched; what went
over is told by the conversation as counts and hashes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Protocol

from gatekeep import messages
from gatekeep.domain.commands import SshAction
from gatekeep.domain.events import EventKind
from gatekeep.gate.approval_ports import Departure
from gatekeep.gate.permit import CommandRefusal, Permit
from gatekeep.protocols.ssh.files import file_turns as turns
from gatekeep.proxies.ssh.ends import End
from gatekeep.proxies.ssh.holding import Held
from gatekeep.proxies.ssh.relay import CommandRelay
from gatekeep.proxies.ssh.session import SshSession

_MOST_TOLD: Final = 20
_WITHDRAWN_S: Final = 5.0
"""So long a channel that has ended waits for the withdrawal of what it still asked for."""


class FileConversation(Protocol):
    """sftp or scp, as bytes in and turns out."""

    @property
    def congested(self) -> bool:
        """Whether to stop reading the client."""

    @property
    def idle(self) -> bool:
        """Whether all that the client sent has gone out: its end may go on."""

    def receive_client(self, data: bytes) -> list[turns.Turn]:
        """What the client sent."""

    def receive_target(self, data: bytes) -> list[turns.Turn]:
        """What the target sent."""

    def release(self, key: int) -> list[turns.Turn]:
        """An operation may go on."""

    def refuse(self, key: int, words: Sequence[str]) -> list[turns.Turn]:
        """It may not."""

    def finish(self) -> list[turns.Settled]:
        """At the end: what was released and not settled."""


class FileRelay(CommandRelay):
    """A channel about files.

    `tell`: say on stderr, too, why something was refused, each thing once: sftp clients show their
    own words for it, and never ours. `hold` makes what an operation waits by for a person.
    """

    def __init__(
        self,
        session: SshSession,
        client: End,
        target: End,
        conversation: FileConversation,
        *,
        tell: bool = False,
        hold: Callable[[SshAction], Held] | None = None,
    ) -> None:
        super().__init__(client, target)
        self._tell = tell
        self._hold = hold
        self._told: set[str] = set()
        self._session = session
        self._talk = conversation
        self._waiting: deque[turns.Submit] = deque()
        self._judge: asyncio.Task[None] | None = None
        self._question: Held | None = None
        self._permits: dict[int, Permit] = {}
        self._client_ended = False
        self.failed = False

    def from_client(self, data: bytes) -> None:
        """Requests."""
        self._carry_out(self._talk.receive_client(data))
        if self._talk.congested:
            self.client.pause("files")

    def client_eof(self) -> None:
        """No more requests; those that wait are answered first."""
        self._client_ended = True
        self._pass_end_on()

    def from_target(self, data: bytes, *, stderr: bool) -> None:
        """Answers."""
        if stderr:
            self.client.write(data, stderr=True)
            return
        self._carry_out(self._talk.receive_target(data))

    async def finish(self) -> None:
        """What was released and has not ended is told so; what waits for a person is withdrawn."""
        await super().finish()
        if self._judge is not None:
            if self._question is not None:
                self._waiting.clear()
                gone = Departure.CLIENT_LEFT if self.client_gone else Departure.TARGET_LEFT
                self._question.leave(gone)
                await asyncio.wait({self._judge}, timeout=_WITHDRAWN_S)
            self._judge.cancel()
        for settled in self._talk.finish():
            self._settle(settled)

    def _carry_out(self, given: Sequence[turns.Turn]) -> None:
        for turn in given:
            if isinstance(turn, turns.ToTarget):
                self.target.write(turn.data)
            elif isinstance(turn, (turns.Relay, turns.Answer)):
                self.client.write(turn.data)
            else:
                self._attend(turn)
        if not self._talk.congested:
            self.client.resume("files")
        self._pass_end_on()

    def _attend(self, turn: turns.Turn) -> None:
        if isinstance(turn, turns.Submit):
            self._waiting.append(turn)
            if self._judge is None or self._judge.done():
                self._judge = self._session.owner.spawn(self._judge_operations(), name="files")
        elif isinstance(turn, turns.Settled):
            self._settle(turn)
        elif isinstance(turn, turns.Note):
            self._session.note(turn.kind, dict(turn.payload))
        elif isinstance(turn, turns.Violation):
            self._broken(turn)

    def _broken(self, turn: turns.Violation) -> None:
        """The protocol is broken: nothing of it can be told apart any more."""
        self.failed = True
        kind = EventKind.TARGET_FAULT if turn.whose == "target" else EventKind.PROTOCOL_FAULT
        self._session.note(kind, {"what": messages.printable(turn.what)})
        words = f"{messages.PREFIX}file transfer ended: {messages.printable(turn.what)}\n"
        self.client.write(words.encode(), stderr=True)
        self.target.abort()

    def _settle(self, turn: turns.Settled) -> None:
        permit = self._permits.pop(turn.key, None)
        if permit is None:
            return
        self._session.settle(permit, turn.outcome, turn.details)

    async def _judge_operations(self) -> None:
        """In order, each durable before it goes on."""
        while self._waiting:
            submit = self._waiting.popleft()
            offer = None if self._hold is None else partial(self._offered, self._hold, submit.action)
            answer = await self._session.clear(submit.action, hold=offer)
            held, self._question = self._question, None
            try:
                if isinstance(answer, CommandRefusal):
                    self._say(answer.lines, held=held is not None)
                    self._carry_out(self._talk.refuse(submit.key, answer.lines))
                else:
                    self._session.goes_out(answer)
                    self._permits[submit.key] = answer
                    self._carry_out(self._talk.release(submit.key))
            except Exception as error:  # noqa: BLE001 - fail closed: this channel ends
                self._session.failed(error)
                self.target.abort()
                return

    def _offered(self, hold: Callable[[SshAction], Held], action: SshAction) -> Held:
        self._question = hold(action)
        return self._question

    def _say(self, lines: Sequence[str], *, held: bool) -> None:
        """The first line and why; scp's clients show the first one themselves."""
        said = lines[:2] if self._tell else lines[1:2] if held else ()
        if said and lines[0] not in self._told and len(self._told) < _MOST_TOLD:
            self._told.add(lines[0])
            self.client.write("".join(f"{line}\n" for line in said).encode(), stderr=True)

    def _pass_end_on(self) -> None:
        if self._client_ended and self._talk.idle and not self._waiting:
            self._client_ended = False
            self.target.write_eof()

