"""The gate on a terminal whose shell carries our hook: it reports each line, and waits for an answer.

Sans-IO: bytes and the time come in, turns go out; nothing is judged here.

The states, what leads from one to the next, and the invariant are written down in `hook_states`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

from gatekeep.domain.events import EventKind
from gatekeep.protocols.ssh.shells.hook_bootstrap import HookedShell
from gatekeep.protocols.ssh.shells.hook_held import Waiting
from gatekeep.protocols.ssh.shells.hook_kept import Kept
from gatekeep.protocols.ssh.shells.hook_outcomes import Outcomes
from gatekeep.protocols.ssh.shells.hook_report import reported
from gatekeep.protocols.ssh.shells.hook_states import (
    ACKNOWLEDGE_MS,
    FENCED,
    HELLO_MS,
    MAX_KEPT_BYTES,
    MAX_LINE_BYTES,
    SILENT_MS,
    UNMARKED_MS,
    State,
)
from gatekeep.protocols.ssh.shells.hook_tokens import Tokens
from gatekeep.protocols.ssh.shells.hook_wire import Frame, FrameScanner, Marks, ReplyGuard
from gatekeep.protocols.ssh.shells.turns import (
    CloseChannel,
    Finished,
    LineWithdrawn,
    Note,
    Tell,
    ToClient,
    ToTarget,
    Turn,
)

_BELL: Final = b"\x07"
_INTERRUPT: Final = b"\x03"
_LEAVES: Final = b"\x03\x04"
_ENDS: Final = b"\r\n"
_INTERRUPTED: Final = 130
_ACKNOWLEDGEMENTS: Final = frozenset({b"a", b"x", b"p"})


class HookGate:
    """One terminal. `key` is 32 random bytes that nobody else has; it never leaves the gateway.

    `degraded`: the hook is not heard; `opaque`: a program has the whole screen.
    """

    def __init__(self, shell: HookedShell, key: bytes, now_ms: int) -> None:
        self._shell: Final = shell
        self._tokens: Final = Tokens(key)
        self._outcomes: Final = Outcomes()
        self._state = State.START
        self._scanner = FrameScanner()
        self._marks = Marks()
        self._guard = ReplyGuard()
        self._kept = Kept(MAX_KEPT_BYTES)
        self._typed_before = bytearray()
        self._parts = bytearray()
        self._text = b""
        self._line = b""
        self._line_id = 0
        self._entered_id = 0
        self._asked: tuple[int, bool, State] = (0, False, State.START)
        self._allowed = False
        self._waiting = Waiting()
        self._editing = False
        self._marked = False
        self._left = False
        self._deadline: int | None = now_ms + HELLO_MS
        self._now = now_ms
        self.degraded = False
        self.opaque = False
        self._proceed = False

    @property
    def state(self) -> State:
        """Where the shell stands."""
        return self._state

    @property
    def deadline_ms(self) -> int | None:
        """When `tick` has to be called."""
        due = [at for at in (self._deadline, self._kept.due) if at is not None]
        return min(due, default=None)

    def receive_client(self, data: bytes, now_ms: int) -> list[Turn]:
        """Bytes that the person typed."""
        self._now = now_ms
        data = self._guard.clean(data)
        if self._state is State.CLOSED or not data:
            return []
        if self._state is State.ASKED and (at := self._waiting.gives_up(data)):
            self._kept.clear()
            return [*self._withdraw(), *self._keep(data[at:])]
        if self._kept.due is not None and _INTERRUPT in data:
            self._kept.clear()
        if self._kept.due is not None or self._fenced:
            return self._keep(data)
        return self._forward(data)

    def receive_target(self, data: bytes, now_ms: int) -> list[Turn]:
        """Bytes that the target's terminal shows; frames of the hook are taken out."""
        self._now = now_ms
        turns: list[Turn] = []
        for item in self._scanner.feed(data):
            if isinstance(item, Frame):
                turns += self._frame(item) if self._state is not State.CLOSED else []
                continue
            turns.append(ToClient(item))
            for mode, on in self._marks.feed(item):
                turns += self._marking(mode, on=on)
        return turns

    def target_ended(self) -> list[Turn]:
        """The target sends no more: what was kept back, and the lines whose end is not known."""
        rest = self._scanner.end()
        turns: list[Turn] = [ToClient(rest)] if rest else []
        if self._state is State.ASKED:
            turns.append(LineWithdrawn(self._line_id))
        turns += self._outcomes.settle() + self._outcomes.finish(None)
        self._close()
        return turns

    def answer(
        self, line_id: int, *, allowed: bool, now_ms: int, words: Sequence[str] = ()
    ) -> list[Turn]:
        """The answer to a `LineEntered`; for one that was withdrawn, nothing."""
        self._now = now_ms
        if not self._waits(line_id):
            return []
        self._allowed = allowed
        return [*self.tell(words), self._reply(b"y" if allowed else b"n")]

    def hold(self, line_id: int, words: Sequence[str] = ()) -> list[Turn]:
        """The answer will take long: from here on keys are refused with a bell. Told are `words`."""
        if not self._waits(line_id):
            return []
        self._waiting.person = True
        return [*([Tell(_BELL)] if self._kept.clear() else []), *self.tell(words)]

    def digest(self, line_id: int) -> str:
        """The SHA-256 (hex) of the line that waits under this number; empty if none does."""
        return hashlib.sha256(self._line).hexdigest() if self._waits(line_id) else ""

    def proceed(self, now_ms: int) -> list[Turn]:
        """Policy lets this person go on without the hook; holds until the hook is back."""
        self._now = now_ms
        if not self.degraded or self._state is State.CLOSED:
            return []
        self._proceed = True
        if self._state is State.START:
            self._state, self._deadline = State.DEGRADED, None
        return self._unfence()

    def tell(self, words: Sequence[str]) -> list[Turn]:
        """Words of ours, where the shell's line editor stands while a line waits."""
        if not words:
            return []
        text = "".join(f"{word}\r\n" for word in words).encode()
        return [Tell(text if self._shell == "bash" else b"\r\n" + text, tuple(words))]

    def tick(self, now_ms: int) -> list[Turn]:
        """Time has passed."""
        self._now = now_ms
        turns: list[Turn] = []
        if self._kept.due is not None and now_ms >= self._kept.due and not self._fenced:
            turns = self._forward(self._kept.all())
        if self._deadline is not None and now_ms >= self._deadline:
            self._deadline = None
            turns += self._late()
        return turns

    def _late(self) -> list[Turn]:
        if self._state is State.START:
            return self._degrade("the hook did not start")
        if self._state is State.REPLIED:
            self._close()
            return [
                *self._note("the hook did not acknowledge"),
                *self._outcomes.finish(None),
                CloseChannel("the shell's hook stopped answering"),
            ]
        if self._state in (State.EDIT, State.CONT):
            return self._degrade("a line was entered and not reported")
        if self._state is State.RELEASED:
            return self._degrade("the hook fell silent")
        return []

    def _frame(self, frame: Frame) -> list[Turn]:
        if self._state is State.START and frame.kind == b"h" and not frame.token:
            self._asked, self._allowed = (frame.number, True, State.RUN), True
            return [self._reply(b"y")]
        if frame.kind == b"?" or not frame.token:
            return self._degrade("a forged frame")
        acknowledges = self._state is State.REPLIED and frame.kind in _ACKNOWLEDGEMENTS
        if acknowledges and self._tokens.is_next(frame.token):
            return self._acknowledging(frame)
        if not self._tokens.is_current(frame.token):
            late = frame.kind == b"r" and self._tokens.is_stale(frame.token)
            return [] if late else self._degrade("a forged frame")
        handlers = {
            b"b": self._prompt,
            b"l": self._ask,
            b"p": self._part,
            b"r": self._runs,
            b"t": self._ask,
        }
        if frame.kind not in handlers:
            return self._degrade("a forged frame")
        return handlers[frame.kind](frame)

    def _part(self, frame: Frame) -> list[Turn]:
        self._parts += frame.text[: max(0, MAX_LINE_BYTES + 1 - len(self._parts))]
        return []

    def _ask(self, frame: Frame) -> list[Turn]:
        if self._state is State.REPLIED:
            return self._degrade("the hook was interrupted")
        if self._state is State.ASKED:
            return self._degrade("a second question")
        line = bytes(self._parts) + frame.text
        self._parts.clear()
        backstop = frame.kind == b"t"
        turns = self._outcomes.settle()
        continued = self._state in (State.CONT, State.RELEASED) and not backstop
        if not continued and not backstop:
            turns += self._outcomes.finish(None)
            self._text = b""
        self._line = self._text + b"\n" + line if continued and self._shell == "bash" else line
        self._asked = (frame.number, not backstop, self._state)
        self._line_id += 1
        self._state, self._deadline, self._waiting = State.ASKED, None, Waiting()
        if len(self._line) > MAX_LINE_BYTES:
            self._allowed = False
            return [*turns, *self.tell(("gatekeep: line over 256 KiB; nothing was run",)), self._reply(b"n")]
        if not continued and not line.strip(b" \t"):
            self._allowed = True
            return [*turns, self._reply(b"y")]
        self._entered_id = self._line_id
        return [*turns, *reported(self._line_id, self._line, backstop=backstop)]

    def _acknowledging(self, frame: Frame) -> list[Turn]:
        """What was typed before our reply comes back, and goes to the target again."""
        if frame.kind == b"p":
            self._typed_before += frame.text
            return [] if len(self._typed_before) <= MAX_KEPT_BYTES else self._overflow()
        number, rotated, origin = self._asked
        if frame.number != number:
            return self._degrade("a forged frame")
        before = bytes(self._typed_before) + frame.text
        self._typed_before.clear()
        if rotated:
            self._tokens.turn()
        self._state, self._deadline = origin, None
        self._kept.put_back(before)
        turns: list[Turn] = []
        if self._allowed and self._line_id:
            turns += self._went(runs=frame.kind == b"a", whole=rotated)
        elif self._line_id and self._kept.clear():
            # What was typed behind a line counted on its having run.
            turns.append(Tell(_BELL))
        return turns + self._unfence()

    def _went(self, *, runs: bool, whole: bool) -> list[Turn]:
        """An allowed line, or one command of the backstop's, is acknowledged."""
        if not runs:
            return [Finished(self._line_id, None)] if self._entered_id == self._line_id else []
        if self._entered_id == self._line_id:
            self._outcomes.released(self._line_id)
        if whole:
            self._text, self._state = self._line, State.RELEASED
            self._editing = self._left = False
            if self._marked:
                self._deadline = self._now + SILENT_MS
        return []

    def _runs(self, _frame: Frame) -> list[Turn]:
        if self._state in (State.RELEASED, State.CONT):
            self._state, self._deadline = State.RUN, None
        return []

    def _prompt(self, frame: Frame) -> list[Turn]:
        """A prompt is due; behind a line of several, it may be due for the next of them."""
        turns = self._screen(on=False)
        if self._state is State.ASKED:
            turns.append(LineWithdrawn(self._line_id))
        if self._state is State.REPLIED and self._allowed and self._entered_id == self._line_id > 0:
            turns.append(Finished(self._line_id, None))
        status = min(frame.number, 255)
        never = self._state in (State.CONT, State.RELEASED) and status == _INTERRUPTED
        turns += self._outcomes.prompt(None if never else status, several=b"\n" in self._text)
        healed = self.degraded
        self._state, self._text, self._deadline = State.EDIT, b"", None
        self._editing = self._left = self.degraded = self._proceed = False
        self._parts.clear()
        self._typed_before.clear()
        if healed:
            turns.append(Note(EventKind.GATE_DEGRADED, {"cause": "the hook is back", "degraded": False}))
        return turns + self._unfence()

    def _marking(self, mode: int, *, on: bool) -> list[Turn]:
        if mode in Marks.SCREENS:
            return self._screen(on=on)
        if mode != Marks.EDITING:
            return []
        self._marked = True
        if on:
            return self._editing_begins()
        was, self._editing = self._editing, False
        if was and self._state in (State.EDIT, State.CONT) and not self._left:
            return [Note(EventKind.LINE_UNGATED, {"cause": "a line was accepted without a report"})]
        return []

    def _screen(self, *, on: bool) -> list[Turn]:
        """A program takes the whole screen, or gives it back; a prompt of ours ends it, too."""
        if on == self.opaque or (on and self._state is not State.RUN):
            return []
        self.opaque = on
        kind = EventKind.OPAQUE_BEGAN if on else EventKind.OPAQUE_ENDED
        return [Note(kind, {"cause": "full screen"})]

    def _editing_begins(self) -> list[Turn]:
        turns = self._outcomes.settle()
        if self._state is State.RELEASED:
            self._state, self._deadline = State.CONT, None
        if self._state in (State.EDIT, State.CONT):
            self._editing = True
            turns += self._unfence() if self._state is State.CONT else []
        elif self._state is State.RUN and not self.opaque:
            turns += self._degrade("a prompt without the hook")
        return turns

    def _forward(self, data: bytes) -> list[Turn]:
        edits = self._state in (State.EDIT, State.CONT)
        # Behind a released line, too: the rest of an unfinished one may be left at once.
        if (edits or self._state is State.RELEASED) and any(byte in _LEAVES for byte in data):
            self._left = True
        unheard = not self._marked and self._deadline is None
        if edits and unheard and any(byte in _ENDS for byte in data):
            self._deadline = self._now + UNMARKED_MS
        return [ToTarget(data)]

    def _keep(self, data: bytes) -> list[Turn]:
        if not data:
            return []
        if self._waiting.person and self._state is State.ASKED:
            return [*self.tell(self._waiting.ignored()), Tell(_BELL)]
        self._kept.add(data)
        return self._overflow() if self._kept.too_much else []

    def _overflow(self) -> list[Turn]:
        turns: list[Turn] = [LineWithdrawn(self._line_id)] if self._state is State.ASKED else []
        turns += self._outcomes.finish(None)
        self._close()
        return [*turns, CloseChannel("too much was typed ahead")]

    def _unfence(self) -> list[Turn]:
        if not self._kept or self._fenced:
            return []
        return self._forward(self._kept.line(self._now))

    @property
    def _fenced(self) -> bool:
        return self._state in FENCED or (self.degraded and not self._proceed)

    def _waits(self, line_id: int) -> bool:
        return self._state is State.ASKED and line_id == self._line_id

    def _withdraw(self) -> list[Turn]:
        self._allowed = False
        told = self.tell(self._waiting.withdrawn())
        return [LineWithdrawn(self._line_id), *told, self._reply(b"c")]

    def _reply(self, verdict: bytes) -> ToTarget:
        number, rotated, _ = self._asked
        self._state, self._deadline = State.REPLIED, self._now + ACKNOWLEDGE_MS
        return ToTarget(self._tokens.reply(number, verdict, rotated=rotated))

    def _note(self, cause: str) -> list[Turn]:
        self.degraded = True
        return [Note(EventKind.GATE_DEGRADED, {"cause": cause, "degraded": True})]

    def _degrade(self, cause: str) -> list[Turn]:
        if self.degraded:
            return []
        self._proceed = False
        return self._note(cause)

    def _close(self) -> None:
        self._state, self._deadline = State.CLOSED, None
        self._kept.clear()
