"""One Postgres session: two pumps around the conversation and the gate.

Bytes from the client become segments, segments become actions, the gate answers, and only what it
permits is forwarded. Owns sockets, order and back-pressure; decides nothing itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from typing import Final

import structlog

from gatekeep import messages
from gatekeep.domain.actions import SqlAction
from gatekeep.domain.events import EventKind
from gatekeep.domain.outcomes import Outcome
from gatekeep.errors import JournalUnavailable
from gatekeep.gate.approval_ports import Departure
from gatekeep.gate.clearance import Answer
from gatekeep.gate.evidence import session_fragment
from gatekeep.gate.permit import Refusal
from gatekeep.gate.supervision import LiveSession
from gatekeep.messages import approvals
from gatekeep.protocols.postgres import conversation as talk
from gatekeep.protocols.postgres.messages import error_response
from gatekeep.proxies.postgres.effects import released
from gatekeep.proxies.postgres.holding import Holds, PostgresHold, Wires
from gatekeep.proxies.postgres.knowledge import Knowledge
from gatekeep.proxies.postgres.prepared import Read
from gatekeep.proxies.postgres.record import SessionRecord
from gatekeep.proxies.postgres.rooms import Rooms as Rooms  # noqa: PLC0414 - a session is made with it
from gatekeep.runtime.tasks import TaskOwner

_log = structlog.get_logger(__name__)

_LINGER_S: Final = 10.0
_WITHDRAW_S: Final = 2.0
_BACKLOG_BYTES: Final = 1 << 20
_STOPPED: Final = Departure.DRAINING.value
_GOES_ON: Final = frozenset((talk.Ready, talk.VectorKnown, talk.Onward))


class PostgresSession:
    """A session from the first statement to the last event.

    Two tasks read the two peers. `_reason` is set once, when the session is to end; it then ends
    at the next boundary at which nothing that was forwarded is still open, or after `_LINGER_S`.
    """

    def __init__(
        self,
        live: LiveSession,
        wires: Wires,
        conversation: talk.Conversation,
        rooms: Rooms,
    ) -> None:
        self._live = live
        self._wires = wires
        self._client = wires.client
        self._target = wires.target
        self._talk = conversation
        self._rooms = rooms
        self._fragment = session_fragment(live.session)
        self._knowledge = Knowledge(live.session, rooms.reader)
        self._record = SessionRecord(live, rooms.gate, rooms.journal, rooms.clock)
        self._holds = Holds(
            live, wires, conversation, self._knowledge, rooms.link_to, rooms.sights
        )
        self._owner: TaskOwner | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._reader: asyncio.Task[None] | None = None  # of the target
        self._clearing = False
        self._draining = False
        self._reason = ""
        self._farewell: messages.WireMessage | None = None
        self._target_broken = False
        self._over = asyncio.Event()
        self._answered: asyncio.Future[None] | None = None

    @property
    def busy(self) -> bool:
        """Whether something that was forwarded has not ended yet."""
        return bool(self._record.open)

    @property
    def _runs(self) -> bool:
        """Whether what was forwarded comes to its end, and needs no Sync for it."""
        return bool(self._record.open) and not self._talk.stalled

    def cancel(self) -> bool:
        """A CancelRequest: what waits for a person is withdrawn.

        False where the target has to hear of it, because something runs there.
        """
        return self._holds.cancel() and not self._runs

    def end(self, reason: str) -> None:
        """End the session from outside, once what runs has ended."""
        self._leave(reason, messages.session_killed(reason))

    def drain(self) -> None:
        """End the session because the gateway stops, once what runs has ended, rows included."""
        self._draining = True
        self._leave(_STOPPED, messages.gateway_drains())

    def stop_now(self, words: messages.WireMessage) -> None:
        """End without waiting any longer for what runs; `words` go to one for whom nothing runs."""
        self._target_broken = True
        self._leave(_STOPPED, words)
        if self._record.open:
            self._farewell = messages.outcome_unknown()
        self._over.set()

    async def run(self, owner: TaskOwner) -> str:
        """Serve until the session is over; returns the reason."""
        self._owner = owner
        from_client = self._start(owner, self._from_client)
        self._reader = self._start(owner, self._from_target)
        try:
            await self._over.wait()
            await self._holds.over(_WITHDRAW_S)
            from_client.cancel()
            if self._runs and not self._target_broken and not self._reader.done():
                # What runs comes to its end on the target, so that its outcome is known.
                await asyncio.wait([self._reader], timeout=_LINGER_S)
        finally:
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._say_farewell()
            self._record.close(self._reason)
            self._knowledge.session_over()
        return self._reason

    def _start(
        self, owner: TaskOwner, move: Callable[[], Coroutine[None, None, bool]]
    ) -> asyncio.Task[None]:
        name = f"{self._live.session.code} {move.__name__.strip('_')}"
        task = owner.spawn(self._pump(move), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _pump(self, move: Callable[[], Coroutine[None, None, bool]]) -> None:
        """Run one direction; its end or its failure ends the session, unless another goes on."""
        goes_on = False
        try:
            goes_on = await move()
        except JournalUnavailable as error:
            self._leave("journal", messages.cannot_record("the gateway's journal"))
            self._rooms.on_gateway_fault(error)
        except Exception as error:  # noqa: BLE001 - whatever failed, the session ends and it is told
            _log.exception("session failed", session=self._live.session.code)
            self._leave("gateway fault", None)
            self._rooms.on_gateway_fault(error)
        finally:
            if not goes_on:
                self._leave("gateway fault", None)
                self._over.set()

    # client to target

    @property
    def _deaf(self) -> bool:
        """Whether the client is no longer listened to."""
        return bool(self._reason) and not (self._draining and self._talk.copying)

    async def _from_client(self) -> bool:
        while not self._deaf:
            data = await self._client.read()
            if not data:
                self._leave("client left", None)
                break
            await self._take(self._talk.receive_client(data))
            if self._target.congested:
                # Only here: whoever reads the target must never wait for it to read.
                await self._target.drain()
            while self._talk.backlog > _BACKLOG_BYTES and not self._reason:
                # The client is ahead by too much: its socket stays full until the target answers.
                self._answered = asyncio.get_running_loop().create_future()
                await self._answered
        return False

    async def _take(self, turns: list[talk.ClientTurn]) -> None:
        """Do what the client's bytes amount to, until something must be answered first."""
        while turns and not self._deaf:
            for turn in turns:
                await self._act(turn)
            turns = self._talk.next_turns()

    async def _act(self, turn: talk.ClientTurn) -> None:
        if self._deaf:
            return
        if isinstance(turn, talk.Submit):
            await self._submit(turn.segment)
        elif isinstance(turn, talk.ToTarget):
            self._target.write(turn.data)
        elif isinstance(turn, talk.Answer):
            self._client.write(turn.data)
        elif isinstance(turn, talk.Violation):
            self._record.note(EventKind.PROTOCOL_FAULT, {"what": messages.printable(turn.what)})
            self._leave("client fault", messages.client_violation(turn.what))
        else:
            self._leave("client left", None)

    async def _submit(self, segment: talk.Segment) -> None:
        """Facts, clearance, release: nothing of a segment leaves before all of it is durable."""
        self._clearing = True
        try:
            read = await self._knowledge.read(self._talk, segment)
            status = self._talk.transaction_status
            actions = [self._knowledge.action(one, status) for one in read]
            answers: Sequence[Answer] = ()
            if actions:
                vector = self._talk.vector
                answers = await self._rooms.gate.clear(
                    self._live, self._fragment, actions, vector_known=vector is not None,
                    overlap=vector is not None and vector.transaction_read_only == "on",
                    around=(segment.before, segment.behind),
                    hold=lambda: self._begin_hold(segment, actions, read),
                )  # fmt: skip
                if len(answers) < len(actions):
                    actions = self._knowledge.only(actions[: len(answers)])
            self._forward(segment, actions, answers)
        finally:
            self._clearing = False
            self._holds.answered()

    def _begin_hold(
        self, segment: talk.Segment, actions: Sequence[SqlAction], read: Sequence[Read]
    ) -> PostgresHold:
        """The segment may have to wait for a person, and whoever reads the target must not."""
        if self._owner is not None and asyncio.current_task() is self._reader:
            self._reader = self._start(self._owner, self._from_target)
        return self._holds.begin(segment, actions, self._reason, read)

    def _forward(
        self, segment: talk.Segment, actions: Sequence[SqlAction], answers: Sequence[Answer]
    ) -> None:
        """Send what is permitted; what is not fails in its place; what has no answer comes again."""
        verdicts: list[talk.Released | talk.Refused] = []
        if self._talk.vector is None and segment.vector is not None:
            # The target reported a change while the gate judged: the conversation refuses it, too.
            answers = self._record.taken_back(answers, messages.after_vector_change())
        if self._reason or self._holds.cancelled:
            words = approvals.cancelled_in_time(self._live.session.target.name)
            told = next((one.message for one in answers if isinstance(one, Refusal)), words)
            self._record.taken_back(answers, words)
            if self._reason:
                self._over.set()
            else:  # the client took it back, perhaps after the gate has said yes
                whole = [talk.Refused(told)] * len(segment.executions)
                self._target.write(self._talk.release(segment, whole))
            return
        for execution, action, answer in zip(segment.executions, actions, answers, strict=False):
            if not isinstance(answer, Refusal):
                verdicts.append(released(action, answer))
                self._record.goes_out(execution, answer)
                execution.gives = action.facts[0].gives if len(action.facts) == 1 else None
                self._knowledge.goes_out(action, vector_safe=answer.vector_safe)
            else:
                verdicts.append(talk.Refused(answer.message))
        self._target.write(self._talk.release(segment, verdicts))

    # target to client

    async def _from_target(self) -> bool:
        """Read the target; true if another task reads on, because this one had to wait."""
        itself = asyncio.current_task()
        while data := await self._from_target_confirmed():
            goes_on = boundary = False
            for turn in self._talk.receive_target(data):
                kind = type(turn)
                if kind is talk.Relay:
                    self._client.write(turn.data)  # type: ignore[union-attr]  # told by its type
                elif kind is talk.Settled:
                    self._settle(turn.execution, turn.outcome)  # type: ignore[union-attr]  # likewise
                elif kind in _GOES_ON:
                    goes_on = True
                    boundary = boundary or kind is not talk.Onward
                else:
                    self._attend(turn)
            if goes_on:
                await self._go_on(boundary=boundary)
                if self._reader is not itself:
                    return True
            if self._target_broken or (self._reason and not self._runs):
                break
            if self._client.congested or self._record.behind:
                await self._client.drain()
                await self._record.keep_pace()
        return False

    async def _from_target_confirmed(self) -> bytes:
        """What the target says, once all that went out early is recorded; empty at the end."""
        data = await self._target.read()
        if not data:
            self._leave("target left", messages.target_silent(self._live.session.target.name))
        elif self._record.unconfirmed and not await self._confirmed():
            return b""
        return data

    async def _confirmed(self) -> bool:
        """Whether what went out early is recorded: nothing that comes back passes on before.

        If it never is, what the target answered is dropped, its query is cancelled, and both wires close.
        """
        try:
            await self._record.confirmed(self._rooms.confirm_s)
        except (JournalUnavailable, TimeoutError) as error:
            self._target_broken = True
            self._leave("journal", messages.cannot_record("the gateway's journal"))
            self._live.end("journal")
            if isinstance(error, JournalUnavailable):
                raise
            _log.error("an event was not recorded in time", session=self._live.session.code)
            return False
        return True

    def _attend(self, turn: talk.TargetTurn) -> None:
        """The rare turns of a target."""
        if isinstance(turn, talk.ToTarget):
            self._target.write(turn.data)
        elif isinstance(turn, talk.Notification):
            self._record.notified(turn)
        elif isinstance(turn, talk.Violation):
            self._record.note(EventKind.TARGET_FAULT, {"what": messages.printable(turn.what)})
            name = self._live.session.target.name
            self._leave("target fault", messages.target_violation(name))
            self._target_broken = True

    async def _go_on(self, *, boundary: bool) -> None:
        """The target has answered: what the client sent meanwhile may go on.

        `boundary`: it has answered a segment whole, so that the transaction may be over.
        """
        if boundary and self._talk.transaction_status == "I":
            self._knowledge.transaction_over()
        if self._deaf:
            self._give_up_copy()
            if not self._runs:
                self._over.set()
            return
        await self._take(self._talk.next_turns())
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(None)

    def _settle(self, execution: talk.Execution, outcome: Outcome) -> None:
        try:
            self._record.settle(execution, outcome)
        except JournalUnavailable:
            self._leave("journal", messages.outcome_unknown())  # it ran: nobody may say it did not
            raise

    # the end

    def _leave(self, reason: str, farewell: messages.WireMessage | None) -> None:
        """The session is to end, for this reason (the first one counts)."""
        if not self._reason:
            self._reason = reason
            self._farewell = farewell
        self._holds.leave(self._reason)
        if reason != _STOPPED:
            self._give_up_copy()
        if not self._clearing and not self._runs:
            self._over.set()

    def _give_up_copy(self) -> None:
        """A target that takes rows would wait for ever: its COPY ends here, and nothing of it stays."""
        failing = self._talk.abandon_copy(messages.copy_abandoned(self._reason))
        if failing is None:  # a row is half sent: only the end of the connection ends it
            self._target_broken = True
            self._over.set()
        else:
            self._target.write(failing)

    def _say_farewell(self) -> None:
        if self._record.open and self._farewell == messages.gateway_drains():
            self._farewell = messages.outcome_unknown()  # a pipeline that stood still without its Sync
        if self._farewell is not None and self._holds.withdrawn:
            self._farewell = approvals.last_words(self._farewell, self._holds.withdrawn)
        if self._farewell is not None:
            with contextlib.suppress(OSError):
                self._client.write(error_response(self._farewell))
