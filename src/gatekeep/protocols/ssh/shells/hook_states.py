"""The states of a hooked terminal and its limits; `HookGate` moves between them."""

from __future__ import annotations

import enum
from typing import Final

# Invariant: a line that was denied never runs; a line that runs was reported and answered, or a
# `Note` says otherwise (`line.ungated`, `gate.degraded`). It holds against slips and against whoever
# has no second process in the account on the target; docs/shell-hook.md says where it ends.
#
# What the shell says: h hello · p part of a text that goes on in the next frame · l line asked for ·
# t command asked for by the backstop · a acknowledged, with what was typed before our reply · x the
# same, and the line does not run (denied, or a Ctrl-C reached the shell meanwhile) · r the line
# begins to run · b prompt, with the exit status. Each carries the token of the last reply, the first
# hello none; replies to h and l bring a new one. Programs that print cannot know it.
#
# | state | what it is | client bytes | leaves by |
# |---|---|---|---|
# | START | no hello yet | kept | h → REPLIED · `proceed` → DEGRADED |
# | EDIT | prompt, nothing entered | pass | l → ASKED · t → ASKED, with `line.ungated` |
# | CONT | more of an unfinished command | pass | l → ASKED · r → RUN · b (Ctrl-C) → EDIT |
# | ASKED | a line waits for `answer` | kept; Ctrl-C withdraws. After `hold`: | answer or Ctrl-C → REPLIED |
# | | | dropped, bell; Ctrl-D withdraws, too | |
# | REPLIED | the reply is under way | kept | x, or no → the state before · a → RELEASED (of t: the |
# | | | | state before; of h: RUN) · b with the old token → EDIT · deadline → CLOSED |
# | RELEASED | released, not running yet | pass | r → RUN · `?2004h` → CONT · b → EDIT |
# | RUN | a program has the terminal | pass | b → EDIT · l, t → ASKED |
# | DEGRADED | the hook never came, policy goes on | pass | nothing: no hello is believed now |
# | CLOSED | over | dropped | |
#
# `degraded` lies across these: while it is set, client bytes are kept until `proceed`. It is set by
# a forged frame in any state, by START's deadline, by `?2004h` in RUN (a prompt without the hook),
# by silence in RELEASED, and where nothing marks editing by an Enter in EDIT or CONT that is not
# reported. Only b with the right token clears it. `opaque` is set in RUN by a program that takes the
# whole screen (such programs edit lines, too, so `?2004h` says nothing then), and cleared when it
# gives it back, or by b. Output never opens a gate: marks only tighten.

HELLO_MS: Final = 15_000
ACKNOWLEDGE_MS: Final = 10_000
UNMARKED_MS: Final = 5_000
"""How long an Enter may stay unreported where the terminal never says that lines are edited."""
SILENT_MS: Final = 5_000
"""How long a released line may say neither that it runs, nor that it ended, nor that it goes on."""
MAX_KEPT_BYTES: Final = 256 * 1024
MAX_LINE_BYTES: Final = 256 * 1024


class State(enum.Enum):
    """Where the shell stands; the table is above."""

    START = "start"
    EDIT = "edit"
    CONT = "cont"
    ASKED = "asked"
    REPLIED = "replied"
    RELEASED = "released"
    RUN = "run"
    DEGRADED = "degraded"
    CLOSED = "closed"


FENCED: Final = frozenset({State.START, State.ASKED, State.REPLIED})
"""Here no byte of the client's reaches the target."""
