"""How the bytes of a session channel go once it is permitted: through a terminal's gate, or plainly.

Files have a relay of their own, in `files`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol, TypeAlias, cast

from gatekeep.domain.commands import LINE
from gatekeep.domain.events import EventKind
from gatekeep.domain.targets import SshWay
from gatekeep.errors import JournalUnavailable
from gatekeep.protocols.ssh.commands.command import read_command
from gatekeep.protocols.ssh.shells.gate_rules import GateRules
from gatekeep.protocols.ssh.shells.hook_bootstrap import HookedShell
from gatekeep.protocols.ssh.shells.shell_gate import ShellGate
from gatekeep.proxies.ssh.bindings import Around
from gatekeep.proxies.ssh.ends import ClientEnd, TargetEnd
from gatekeep.proxies.ssh.hooked import HookedTerminal
from gatekeep.proxies.ssh.relay import CommandRelay
from gatekeep.proxies.ssh.session import SshSession
from gatekeep.proxies.ssh.shell import ShellRelay, TerminalGate
from gatekeep.recordings.chunks import Terminal
from gatekeep.recordings.ends import OutputEnds
from gatekeep.recordings.recorder import ChannelRecorder

Ends = tuple[ClientEnd, TargetEnd]
HiddenInput: TypeAlias = Literal["allow", "alert", "ask", "deny"]


class Recordings(Protocol):
    """Where live recordings are known, for those who watch."""

    def register(self, session_id: str, channel: int, recorder: ChannelRecorder) -> None:
        """A channel's recording has begun."""

    def forget(self, session_id: str, channel: int) -> None:
        """It has ended."""


class PlainRelay(CommandRelay):
    """A command without a terminal: bytes pass untouched, the ends of its output are kept."""

    def __init__(self, session: SshSession, ends: Ends, channel: int) -> None:
        super().__init__(*ends)
        self._session = session
        self._ends = OutputEnds(channel)

    def from_target(self, data: bytes, *, stderr: bool) -> None:
        """Output."""
        (self._ends.errors if stderr else self._ends.output)(data)
        self.client.write(data, stderr=stderr)

    async def finish(self) -> None:
        """Size, hash and both ends go into the record."""
        await super().finish()
        journal, live = self._session.rooms.journal, self._session.live
        try:
            journal.append(live.events, EventKind.RECORDING_CHUNK, self._ends.payload())
        except JournalUnavailable as error:
            self._session.failed(error)


class PinnedRelay(PlainRelay):
    """A script file that runs as it was read: its bytes are the input, and the client's go nowhere."""

    def __init__(self, session: SshSession, ends: Ends, channel: int, content: bytes) -> None:
        super().__init__(session, ends, channel)
        self._content = content

    def begin(self) -> None:
        """The whole script, and its end."""
        super().begin()
        self.target.write(self._content)
        self.target.write_eof()

    def from_client(self, data: bytes) -> None:
        """Nobody reads it."""
        self.bytes_in -= len(data)

    def client_eof(self) -> None:
        """The script has ended already."""


def terminal(
    session: SshSession,
    ends: Ends,
    channel: int,
    recordings: Recordings,
    around: Callable[[], Around],
    *,
    shell: bool,
) -> ShellRelay:
    """A terminal. `shell`: an interactive shell, not a command that was judged as such."""
    name, size = ends[0].terminal or ("", (80, 24, 0, 0))
    # A client without a window of its own says 0 by 0; programs then take the usual size.
    shape = Terminal(size[0] or 80, size[1] or 24, name)
    recorder = ChannelRecorder(
        session.rooms.journal, session.live.events, session.rooms.clock,
        channel=channel, terminal=shape, on_failure=session.failed,
    )  # fmt: skip
    recordings.register(session.live.session.id, channel, recorder)
    return ShellRelay(session, ends, _gate(session, shape, shell=shell), recorder, around)


def hook_of(session: SshSession) -> HookedShell | None:
    """The shell that reports its own lines, where the target's owner chose one and lines matter."""
    chosen = (session.live.session.target.ssh or SshWay()).shell_hook
    if chosen == "off" or not lines_matter(session):
        return None
    return cast("HookedShell", chosen)


def lines_matter(session: SshSession) -> bool:
    """Whether lines wait for a decision: some rule could refuse one, and the target's owner wants it."""
    way = session.live.session.target.ssh or SshWay()
    return way.line_gate == "auto" and not session.rooms.policy.lines_are_free(session.live.session)


def _gate(session: SshSession, shape: Terminal, *, shell: bool) -> TerminalGate:
    hooked = hook_of(session) if shell else None
    if hooked is not None:
        now_ms = session.rooms.clock.monotonic_ns() // 1_000_000
        return HookedTerminal(hooked, session.rooms.draw(32), now_ms)
    target = session.live.session.target
    way = target.ssh or SshWay()
    rules = GateRules(
        gated=lines_matter(session),
        login_shell=target.login_shell,
        hidden_input=cast("HiddenInput", way.hidden_input),
        unknown="ask" if shell else "allow",
        opaque="ask",
        complete=lambda text: read_command(
            text, action=LINE, login_shell=target.login_shell
        ).complete_input,
    )
    return ShellGate((shape.columns, shape.rows), rules=rules)
