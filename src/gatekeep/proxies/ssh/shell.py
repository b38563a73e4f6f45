"""An interactive terminal: its output is recorded whole, and its lines pass the gate.

Carries out what the gate on shells says, in order; what a line means and whether it may run is
decided elsewhere. A recording that cannot be kept ends the session.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Protocol

from gatekeep.domain.commands import LINE, OPAQUE, CommandFacts, SshAction
from gatekeep.domain.decisions import Verdict
from gatekeep.domain.outcomes import Outcome, OutcomeKind
from gatekeep.gate.approval_ports import Departure
from gatekeep.gate.permit import CommandRefusal, Permit
from gatekeep.messages import PREFIX, RuleWords, printable
from gatekeep.messages import ssh as words
from gatekeep.protocols.ssh.commands.secrets import redact_command
from gatekeep.protocols.ssh.shells import turns
from gatekeep.proxies.ssh.bindings import Around
from gatekeep.proxies.ssh.ends import ClientEnd, TargetEnd
from gatekeep.proxies.ssh.holding import Held
from gatekeep.proxies.ssh.relay import CommandRelay
from gatekeep.proxies.ssh.session import SshSession
from gatekeep.recordings.recorder import ChannelRecorder

_HELD_BYTES: Final = 64 * 1024
_LAST_LINES_S: Final = 5.0
_OF_LINES: Final = frozenset({"history_expansion"})


class LineVoice:
    """Speaks about one line, through its terminal's gate. Implements holding.Voice.

    `last_words` are told together with the release, for which the gate has a place of its own.
    """

    def __init__(self, line_id: int, relay: ShellRelay) -> None:
        self._line_id = line_id
        self._relay = relay
        self.last_words: tuple[str, ...] = ()

    def waiting(self, lines: tuple[str, ...]) -> None:
        """A person is to decide."""
        self._relay.ask(self._line_id, lines)

    def reminded(self, lines: tuple[str, ...]) -> None:
        """It still waits."""
        self._relay.ask(self._line_id, lines, again=True)

    def approved(self, lines: tuple[str, ...]) -> None:
        """It goes out with the next step."""
        self.last_words = lines


class TerminalGate(Protocol):
    """What stands between the two ends: the gate on lines, or the attested hook."""

    @property
    def deadline_ms(self) -> int | None:
        """When `tick` is wanted next."""

    @property
    def backlog(self) -> int:
        """Bytes of the client that wait."""

    def receive_client(self, data: bytes, now_ms: int) -> Sequence[turns.Turn]:
        """What the client sent."""

    def receive_target(self, data: bytes, now_ms: int) -> Sequence[turns.Turn]:
        """What the target sent."""

    def tick(self, now_ms: int) -> Sequence[turns.Turn]:
        """It is the deadline, or any other time."""

    def waiting(
        self, line_id: int, now_ms: int, words: tuple[str, ...] = ()
    ) -> Sequence[turns.Turn]:
        """A person is to decide on a line; called again, there is more to say."""

    def reminded(
        self, line_id: int, now_ms: int, words: tuple[str, ...]
    ) -> Sequence[turns.Turn]:
        """It still waits."""

    def digest(self, line_id: int) -> str:
        """SHA-256 of what would run now if the line were let go; empty if it is void."""

    def answer(
        self, line_id: int, allowed: bool, now_ms: int, words: tuple[str, ...] = ()
    ) -> Sequence[turns.Turn]:
        """The decision on a line."""

    def resized(self, columns: int, rows: int) -> Sequence[turns.Turn]:
        """The client's window changed."""

    def ended(self) -> Sequence[turns.Turn]:
        """The client or the target is gone."""


class ShellRelay(CommandRelay):
    """A terminal's bytes, through its gate, into its recording.

    `around` is what of its channel decides what its lines mean.
    """

    def __init__(
        self,
        session: SshSession,
        ends: tuple[ClientEnd, TargetEnd],
        gate: TerminalGate,
        recorder: ChannelRecorder,
        around: Callable[[], Around],
    ) -> None:
        super().__init__(*ends)
        self._session = session
        self._end, self._far = ends
        self._around = around
        self._gate = gate
        self._recorder = recorder
        recorder.on_behind = self._keep_pace
        self._questions: deque[turns.LineEntered] = deque()
        self._withdrawn: set[int] = set()
        self._open: dict[int, Permit] = {}
        self._judge: asyncio.Task[None] | None = None
        self._question: tuple[int, Held] | None = None
        self._watching = False
        self._timer: asyncio.TimerHandle | None = None
        self._catching_up = False

    # what relay calls

    def from_client(self, data: bytes) -> None:
        """Keys."""
        self._carry_out(self._gate.receive_client(data, self._now()))
        if self._gate.backlog > _HELD_BYTES:
            self.client.pause("gate")

    def from_target(self, data: bytes, *, stderr: bool) -> None:
        """What the terminal shows."""
        if stderr:  # a target with a terminal has none; whatever it is, it is shown and recorded
            self._recorder.errors(data)
            self.client.write(data, stderr=True)
            self._keep_pace()
            return
        self._carry_out(self._gate.receive_target(data, self._now()))

    async def finish(self) -> None:
        """The last turns, the last chunk, and lines whose end nobody saw."""
        await super().finish()
        held = self._question
        if held is not None:
            held[1].leave(Departure.CLIENT_LEFT if self.client_gone else Departure.TARGET_LEFT)
        self._carry_out(self._gate.ended())
        if self._timer is not None:
            self._timer.cancel()
        if self._judge is not None:
            # Lines that have run are told, though the shell is gone; a question is withdrawn.
            if self._watching or held is not None:
                await asyncio.wait({self._judge}, timeout=_LAST_LINES_S)
            self._judge.cancel()
        for permit in self._open.values():
            self._session.settle(permit, Outcome(OutcomeKind.UNKNOWN))
        self._open.clear()
        if isinstance(self.target, TargetEnd) and self.target.exit_status is not None:
            self._recorder.exited(self.target.exit_status)
        await self._recorder.close()

    def resized(self, columns: int, rows: int, *pixels: int) -> None:
        """The client's window has another size: the target hears it as it is."""
        self._recorder.resized(columns, rows)
        self._carry_out(self._gate.resized(columns, rows))
        if isinstance(self.target, TargetEnd) and self.target.open:
            self.target.channel.change_terminal_size(columns, rows, *pixels)

    def tell(self, text: str, *, at_margin: bool = False) -> None:
        """Words of ours on the client's terminal: recorded as words, not as output."""
        self._recorder.told(text)
        begin = "\r\n" if at_margin else ""
        self.client.write(f"{begin}{text}\r\n".encode(), stderr=True)

    # turns

    def _now(self) -> int:
        return self._session.rooms.clock.monotonic_ns() // 1_000_000

    def _carry_out(self, given: Sequence[turns.Turn]) -> None:
        for turn in given:
            if isinstance(turn, turns.ToClient):
                self._recorder.output(turn.data)
                self.client.write(turn.data)
            elif isinstance(turn, turns.ToTarget):
                self.target.write(turn.data)
            else:
                self._attend(turn)
        if self._gate.backlog <= _HELD_BYTES:
            self.client.resume("gate")
        self._keep_pace()
        self._set_timer()

    def _keep_pace(self) -> None:
        """Show no more than the disk takes, nor anything while it owes what was shown a second ago."""
        if self._recorder.behind and not self._catching_up:
            self._catching_up = True
            self.target.pause("recording")
            self._session.owner.spawn(self._catch_up(), name="recording")

    def _attend(self, turn: turns.Turn) -> None:
        """The rarer turns."""
        if isinstance(turn, turns.Tell):
            if turn.words:
                self._recorder.told("\r\n".join(turn.words))
            # In the terminal's one stream: a client shows two in an order of its own, and what is
            # painted and wiped must stand where the target's own output left the cursor.
            self.client.write(turn.data)
        elif isinstance(turn, turns.LineEntered):
            self._questions.append(turn)
            self._watching = turn.observed
            if self._judge is None or self._judge.done():
                self._judge = self._session.owner.spawn(self._judge_lines(), name="line")
        elif isinstance(turn, turns.LineWithdrawn):
            self._withdrawn.add(turn.id)
            if self._question is not None and self._question[0] == turn.id:
                self._question[1].leave(Departure.CANCELLED)
        elif isinstance(turn, turns.Finished):
            self._finished(turn)
        elif isinstance(turn, turns.Note):
            self._note(turn)
        elif isinstance(turn, turns.CloseChannel):
            self.tell(f"{PREFIX}{printable(turn.reason)}")
            self.target.close()

    def _note(self, turn: turns.Note) -> None:
        """What was seen of a line that nobody judged may hold a secret, as any line."""
        payload = dict(turn.payload)
        text = payload.get("text")
        if isinstance(text, str):
            payload["text"] = redact_command(text)
        self._session.note(turn.kind, payload)

    def _finished(self, turn: turns.Finished) -> None:
        permit = self._open.pop(turn.line_id, None)
        if permit is None:
            return
        status = turn.exit_status
        if status is None:
            self._session.settle(permit, Outcome(OutcomeKind.SKIPPED))
            return
        kind = OutcomeKind.DONE if status == 0 else OutcomeKind.FAILED
        self._session.settle(permit, Outcome(kind, f"exit {status}"))

    async def _catch_up(self) -> None:
        try:
            await self._recorder.keep_pace()
        finally:
            self._catching_up = False
            self.target.resume("recording")

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self._gate.deadline_ms
        if deadline is not None:
            wait_s = max(0, deadline - self._now()) / 1000
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._ticked)

    def _ticked(self) -> None:
        self._timer = None
        try:
            self._carry_out(self._gate.tick(self._now()))
        except Exception as error:  # noqa: BLE001 - a gate that fails holds nothing any more
            self._session.failed(error)

    # lines

    async def _judge_lines(self) -> None:
        """One line after the other: each is judged and durable before it is let go."""
        while self._questions:
            entered = self._questions.popleft()
            try:
                allowed, told = await self._judged(entered)
            except Exception as error:  # noqa: BLE001 - fail closed: whatever it was, the line does not run
                self._session.failed(error)
                allowed, told = False, (f"{PREFIX}nothing was run",)
            if entered.id in self._withdrawn:
                self._withdrawn.discard(entered.id)
                self._take_back(entered)
                continue
            if not entered.observed:
                self._carry_out(self._gate.answer(entered.id, allowed, self._now(), told))

    async def _judged(self, entered: turns.LineEntered) -> tuple[bool, tuple[str, ...]]:
        action = await self._action(entered)
        if entered.must_ask and (refused := self._nobody_to_ask(action)):
            return False, refused
        voice = LineVoice(entered.id, self)
        hold = None if entered.observed else partial(self._offered, entered.id, action, voice)
        answer = await self._session.clear(action, ran=entered.observed, hold=hold)
        self._question = None
        if isinstance(answer, CommandRefusal):
            return False, answer.lines
        self._session.goes_out(answer)
        self._settle_earlier()
        self._open[entered.id] = answer
        self._recorder.marker(str(answer.n))
        return True, voice.last_words

    def _nobody_to_ask(self, action: SshAction) -> tuple[str, ...]:
        """A line that must be asked about, and that every rule allows: none says who is to be asked."""
        live = self._session.live
        judged = self._session.rooms.policy.judge_command(live.session, action)
        if judged.decision.verdict is not Verdict.ALLOW:
            return ()
        self._session.refuse(action.mode, action.command, "hidden_input")
        return words.needs_approval(RuleWords("", "it could not be read for sure"))

    def _offered(self, line_id: int, action: SshAction, voice: LineVoice) -> Held:
        held = self._session.held(
            action, self._around, voice, shown=lambda: self._gate.digest(line_id)
        )
        self._question = line_id, held
        held.afterwards(self._end.when_left(lambda: held.leave(Departure.CLIENT_LEFT)))
        held.afterwards(self._far.when_left(lambda: held.leave(Departure.TARGET_LEFT)))
        if line_id in self._withdrawn:
            held.leave(Departure.CANCELLED)
        return held

    def ask(self, line_id: int, lines: tuple[str, ...], *, again: bool = False) -> None:
        """A line waits for a person: its gate says so, in the place where it may."""
        tell = self._gate.reminded if again else self._gate.waiting
        self._carry_out(tell(line_id, self._now(), lines))

    def _settle_earlier(self) -> None:
        """Where nothing tells how lines end, one that is followed by another has ended somehow."""
        for permit in self._open.values():
            self._session.settle(permit, Outcome(OutcomeKind.UNKNOWN))
        self._open.clear()

    def _take_back(self, entered: turns.LineEntered) -> None:
        permit = self._open.pop(entered.id, None)
        if permit is not None:
            self._session.settle(permit, Outcome(OutcomeKind.SKIPPED))

    async def _action(self, entered: turns.LineEntered) -> SshAction:
        """What is known of a line. One that cannot be read at all is opaque."""
        tags = entered.tags | ({"observed"} if entered.observed else frozenset())
        # What was typed unseen is asked about as what it is: something that nobody can read.
        unseen = (CommandFacts(OPAQUE, complete=False),) if entered.must_ask else ()
        details: dict[str, object] = {"hidden_bytes": entered.hidden_bytes}
        if not entered.text:
            facts: tuple[CommandFacts, ...] = (CommandFacts(OPAQUE, complete=False),)
            redacted, resolved = ", ".join(sorted(entered.tags)), False
        else:
            shell = self._session.live.session.target.login_shell
            reading = await self._session.rooms.reader.read(entered.text, LINE, shell)
            facts, redacted = (*reading.facts, *unseen), reading.redacted
            resolved = reading.resolved
            tags |= reading.tags & _OF_LINES
        return SshAction(
            "line", entered.text, facts, redacted, entered.digest, entered.assurance,
            resolved=resolved and entered.resolved, tags=tags, details=details,
        )  # fmt: skip
