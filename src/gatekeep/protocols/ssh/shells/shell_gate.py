"""The gate on an interactive shell: bytes in, turns out; a line runs only after `answer` said so.

Sans-IO. Assurance is `inferred`: lines are read off the screen. What the target prints may tighten
the gate, never open it, and never stops relaying. docs/shell-gate.md says what this promises.

| mode    | entered on                         | the client's bytes                        | left on |
|---------|------------------------------------|-------------------------------------------|---------|
| UNKNOWN | the start                          | kept; after a quiet time `rules.unknown`  | a prompt's mark -> EDIT |
| EDIT    | `?2004h`, OSC 133;A                | forwarded, all but the accept byte        | accept released and taken -> RUN; taken without release -> RUN (loose), event |
| CONT    | the same, text so far incomplete   | as EDIT; the line is all physical lines   | as EDIT; the first prompt again -> EDIT |
| HELD    | an accept byte, until `answer`     | kept; once `waiting` said so dropped, bell; C-c, C-d withdraw | allowed and the same still shown -> accept byte; else -> 0x03 |
| RUN     | the line was taken                 | one line at a time, 150 ms apart          | a prompt's mark -> EDIT; `?1049h` -> ALT |
| loose   | taken without release (part of RUN)| accept bytes are judged, unresolved       | a prompt's mark -> EDIT; never ALT |
| ALT     | `?1049h` in RUN                    | by `rules.opaque`                         | `?1049l` -> RUN; a prompt painted after its mark -> EDIT (lines are OPAQUE until `?1049l`) |

An accept byte passes stages: SETTLING (is all shown?), JUDGING (the proxy decides), HELD (a person
does), STARTING (let go; was it taken?), CANCELLING (0x03 sent; a prompt must come in time).
"""

from __future__ import annotations

from gatekeep.protocols.ssh.shells.gate_rules import GateRules
from gatekeep.protocols.ssh.shells.shell_held import ShellHeld
from gatekeep.protocols.ssh.shells.shell_observer import ShellObserver
from gatekeep.protocols.ssh.shells.shell_state import Mode
from gatekeep.protocols.ssh.shells.turns import Turn


class ShellGate:
    """One interactive shell of one session. Times are milliseconds of any clock that never steps.

    Where `rules.gated` is false, nothing waits and lines are told as `observed`.
    """

    def __init__(self, size: tuple[int, int], *, rules: GateRules) -> None:
        self._shell = ShellHeld(size, rules) if rules.gated else ShellObserver(size, rules)

    @property
    def mode(self) -> Mode:
        """The row of the table."""
        shell = self._shell
        if isinstance(shell, ShellHeld) and shell.asked is not None and shell.asked.id:
            return Mode.HELD
        return shell.mode

    @property
    def deadline_ms(self) -> int | None:
        """When `tick` is wanted next."""
        return None if self._shell.closed else min(self._shell.wanted(), default=None)

    @property
    def backlog(self) -> int:
        """Bytes of the client that wait: stop reading it when there are many."""
        return len(self._shell.queue) if isinstance(self._shell, ShellHeld) else 0

    def receive_client(self, data: bytes, now_ms: int) -> list[Turn]:
        """What the client sent."""
        return self._shell.receive_client(data, now_ms)

    def receive_target(self, data: bytes, now_ms: int) -> list[Turn]:
        """What the target sent: a ToClient with all of it, and what it means."""
        return self._shell.receive_target(data, now_ms)

    def tick(self, now_ms: int) -> list[Turn]:
        """It is `deadline_ms`, or any other time."""
        return self._shell.tick(now_ms)

    def waiting(self, line_id: int, now_ms: int, words: tuple[str, ...] = ()) -> list[Turn]:
        """A person is to decide on this line: tells `words`, and drops keys until then.

        Called again, `words` are told beside the first ones.
        """
        shell = self._shell
        return shell.waiting(line_id, words, now_ms) if isinstance(shell, ShellHeld) else []

    def reminded(self, line_id: int, now_ms: int, words: tuple[str, ...]) -> list[Turn]:
        """It still waits: `words` take the place of the last reminder."""
        shell = self._shell
        return shell.reminded(line_id, words, now_ms) if isinstance(shell, ShellHeld) else []

    def digest(self, line_id: int) -> str:
        """The SHA-256 (hex) of what the screen shows of this line now; empty if it is void."""
        shell = self._shell
        return shell.digest(line_id) if isinstance(shell, ShellHeld) else ""

    def answer(
        self, line_id: int, allowed: bool, now_ms: int, words: tuple[str, ...] = ()
    ) -> list[Turn]:
        """The decision. Allowed: exactly the accept byte goes out, if the line is still the same.

        If it is not, 0x03 goes out, and the line is `Finished` without a status. Denied: `words`
        are told and 0x03 goes out, never the accept byte.
        """
        shell = self._shell
        if isinstance(shell, ShellHeld):
            return shell.answer(line_id, allowed, now_ms, words)
        return []

    def resized(self, columns: int, rows: int) -> list[Turn]:
        """The client's window changed; forward that as it is."""
        return self._shell.resized(columns, rows)

    def ended(self) -> list[Turn]:
        """The client or the target is gone."""
        return self._shell.ended()
