"""The SSH door over a fake journal and a scripted policy, before a target made of asyncssh."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import asyncssh
from support import builders
from support.fake_journal import FakeJournal, KeptEvent

from gatekeep.domain.approvals import Approval
from gatekeep.domain.commands import SshAction
from gatekeep.domain.decisions import Verdict
from gatekeep.domain.likeness import Likeness
from gatekeep.domain.sessions import Session
from gatekeep.domain.targets import Account, Target, TargetKind
from gatekeep.errors import TargetFault
from gatekeep.gate.admission import Admission
from gatekeep.gate.clearance import Clearance
from gatekeep.gate.holding import Holding
from gatekeep.gate.ports import Judgement, Leave
from gatekeep.gate.supervision import Supervision
from gatekeep.proxies.ssh import seams
from gatekeep.proxies.ssh.agents import AgentTerms
from gatekeep.proxies.ssh.arrivals import Arrival
from gatekeep.proxies.ssh.channel_door import Doors
from gatekeep.proxies.ssh.connection import SignedIn
from gatekeep.proxies.ssh.leads import Leads
from gatekeep.proxies.ssh.listener import SshDoor, SshDoorValues
from gatekeep.proxies.ssh.nested import Jumps
from gatekeep.proxies.ssh.opening import SshSessions
from gatekeep.proxies.ssh.reaching import SessionHooks
from gatekeep.proxies.ssh.session import Rooms, SshSession
from gatekeep.proxies.ssh.target import _Listener
from gatekeep.proxies.ssh.understanding import CommandReader
from gatekeep.recordings.live import LiveRecordings
from gatekeep.runtime.clock import SystemClock
from gatekeep.runtime.offload import Offload

KEY = asyncssh.generate_private_key("ssh-ed25519")
WEB = Target("web-1", TargetKind.SSH, "web.example", 22, accounts={"deploy": Account("deploy")})


class ScriptedPolicy:
    """Denies what has a word of `denied` in its text, and asks sre about what has one of `asked`."""

    version = "abcdef012345"

    def __init__(self) -> None:
        self.denied: set[str] = set()
        self.asked: set[str] = set()
        self.opens = True
        self.verdict = Verdict.ALLOW
        self.lines_free = False

    def may_open(self, session: Session) -> Judgement:
        """Whether the session may begin."""
        return builders.judgement(self.verdict if self.opens else Verdict.DENY)

    def lines_are_free(self, session: Session) -> bool:
        """As long as nothing is denied or asked about."""
        return self.lines_free or not self.denied | self.asked

    def judge_command(self, session: Session, action: SshAction) -> Judgement:
        """Look for a denied word, then for one that is asked about."""
        if self._has(action, self.denied):
            return builders.judgement(Verdict.DENY, "no-such", "not here")
        if not self._has(action, self.asked):
            return builders.judgement(Verdict.ALLOW, "no-such", "not here")
        judged = builders.judgement(Verdict.ASK, "ask-sre", "an SRE looks at it")
        decision = replace(judged.decision, approvers=(("sre",),))
        return replace(judged, decision=decision)

    def leave_for(self, session: Session, action: SshAction, likeness: Likeness) -> Leave | None:
        """Nothing was adopted."""
        return None

    def judge_approved(self, session: Session, action: SshAction, approval: Approval) -> Judgement:
        """The same, now that somebody of sre said yes."""
        judged = self.judge_command(session, action)
        if judged.decision.verdict is Verdict.ASK and "sre" in approval.groups:
            return builders.judgement(Verdict.ALLOW, "ask-sre", "an SRE looks at it")
        return judged

    def _has(self, action: SshAction, words: set[str]) -> bool:
        facts = " ".join(fact.action for fact in action.facts)
        return any(word in f"{action.mode} {action.text} {facts}" for word in words)


class Book:
    """One target."""

    def target(self, name: str) -> Target | None:
        """By name."""
        return WEB if name == WEB.name else None

    def targets(self) -> list[Target]:
        """All of them."""
        return [WEB]

    def secret(self, reference: str) -> str:
        """None is needed."""
        raise AssertionError(reference)


async def serve_process(process: asyncssh.SSHServerProcess[bytes]) -> None:
    """What the target runs: `cat`, `echo WORDS`, `fail N`, `flood N`, `stuck`, `size`, `agent`, `die`.

    Without a command on a terminal: a shell of `print WORDS`, `silent` (the next line is not shown)
    and `exit N`; one of the type `marks` says when it edits a line, and echoes each key.
    """
    if process.term_type is not None and process.command is None:
        await (serve_marked if process.term_type == "marks" else serve_shell)(process)
        return
    name, _, rest = (process.command or "shell").partition(" ")
    if name == "cat":
        while data := await process.stdin.read(65536):
            process.stdout.write(data)
            await process.stdout.drain()
    elif name == "flood":
        for _ in range(int(rest)):
            process.stdout.write(b"x" * 65536)
            await process.stdout.drain()
    elif name == "fail":
        process.stderr.write(b"went wrong\n")
        process.exit(int(rest))
        return
    elif name == "stuck":
        await process.wait_closed()
        return
    elif name == "die":
        process.exit_with_signal("KILL", core_dumped=False, msg="", lang="")
        return
    elif name == "agent":
        process.stdout.write(str(process.channel.get_agent_path()).encode())
    elif name == "size":
        process.stdout.write(repr(process.term_size).encode())
    else:
        process.stdout.write(rest.encode())
    process.exit(0)


async def serve_shell(process: asyncssh.SSHServerProcess[bytes]) -> None:
    """A terminal that echoes lines and runs three commands."""
    shown = True
    process.stdout.write(b"$ ")
    while True:
        line = (await process.stdin.readuntil(b"\r")).rstrip(b"\r")
        process.stdout.write((line if shown else b"") + b"\r\n")
        shown = line != b"silent"
        name, _, rest = line.partition(b" ")
        if name == b"exit":
            process.exit(int(rest))
            return
        process.stdout.write((rest + b"\r\n" if name == b"print" else b"") + b"$ ")


async def serve_marked(process: asyncssh.SSHServerProcess[bytes]) -> None:
    """A line editor: keys are shown as they come, C-c gives the line up, Enter runs it.

    Behind `silent` the keys of the next line are not shown.

    `repaint WORDS`, still in the editor, comes to read as WORDS when its window changes.
    """
    prompt, line, shown = b"\x1b[?2004h$ ", b"", True
    process.stdout.write(prompt)
    while True:
        try:
            key = await process.stdin.readexactly(1)
        except asyncssh.TerminalSizeChanged:
            line = line.replace(b"repaint ", b"")
            process.stdout.write(b"\r\x1b[K$ " + line)
            continue
        if key == b"\x03":
            line = b""
            process.stdout.write(b"^C\x1b[?2004l\r\r\n" + prompt)
        elif key != b"\r":
            line += key
            process.stdout.write(key if shown else b"")
        else:
            process.stdout.write(b"\r\n\x1b[?2004l\r")
            shown = line != b"silent"
            name, _, rest = line.partition(b" ")
            if name == b"exit":
                process.exit(int(rest))
                return
            process.stdout.write((rest + b"\r\n" if name == b"print" else b"") + prompt)
            line = b""


class TargetServer(asyncssh.SSHServer):
    """Lets everybody in, and tunnels to anywhere. `connections` are those to it, oldest first."""

    def __init__(self, connections: list[asyncssh.SSHServerConnection] | None = None) -> None:
        self._connections = connections if connections is not None else []

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Keep it."""
        self._connections.append(conn)

    def begin_auth(self, username: str) -> bool:
        """A key is asked for."""
        return True

    def public_key_auth_supported(self) -> bool:
        """Any key will do."""
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Any key will do."""
        return True

    def connection_requested(self, *_asked: Any) -> bool:
        """Dial whatever was asked for."""
        return True

    def server_requested(self, *_asked: Any) -> bool:
        """Listen wherever was asked for."""
        return True


class AnyKey(SignedIn):
    """Signs everybody in by any key; the log-in name is `principal+target`."""

    forbidden: frozenset[str] = frozenset()

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """With the seams of the real front."""
        seams.adopt_client(conn, self, "127.0.0.1")
        super().connection_made(conn)

    def methods(self) -> tuple[str, ...]:
        """Keys only."""
        return ("publickey",)

    def proving(self) -> None:
        """Nothing is kept."""

    def probing(self) -> bool:
        """Every key is checked."""
        return False

    def key_proven(self, name: str, key: bytes) -> None:
        """Nothing is kept."""

    def proof_accepted(self, name: str) -> bool | None:
        """Any key will do."""
        return True

    def refused(self, *, partial: bool) -> bool:
        """As often as one likes."""
        return False

    def admits_without_proof(self, name: str) -> bool:
        """Never."""
        return False

    def begin_auth(self, username: str) -> bool:
        """A key is asked for."""
        self.login_name = username
        return True

    def public_key_auth_supported(self) -> bool:
        """Any key will do."""
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Any key will do."""
        return True

    def auth_completed(self) -> None:
        """Go in."""
        name, _, target = self.login_name.partition("+")
        self.enter(
            Arrival(
                builders.principal(name), target, "", "127.0.0.1", "publickey",
                forbidden=self.forbidden,
            )
        )  # fmt: skip


@dataclass
class SshStory:
    """What a test looks into."""

    port: int
    journal: FakeJournal
    policy: ScriptedPolicy
    sessions: SshSessions
    door: SshDoor
    reachable: bool = True
    faults: list[BaseException] = field(default_factory=list)
    target_port: int = 0
    lapses: dict[str, str] = field(default_factory=dict)
    targets: list[asyncssh.SSHServerConnection] = field(default_factory=list)
    adopting: bool = False

    def events(self, kind: str) -> list[KeptEvent]:
        """The events of one kind."""
        return [event for event in self.journal.events if event.kind == kind]

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until something holds, at most ten seconds."""
        async with asyncio.timeout(10):
            while not true():
                await asyncio.sleep(0.005)

    async def client(
        self, login_name: str = "alice+web-1", *, host: str = "", **more: Any
    ) -> Any:
        """A client's connection."""
        options = {"client_keys": [KEY], "known_hosts": None, "config": None, **more}
        return await asyncssh.connect(
            host or "127.0.0.1", 22 if host else self.port, username=login_name, **options
        )

    async def connect(self, session: SshSession) -> asyncssh.SSHClientConnection:
        """The gateway's way to the target."""
        if not self.reachable:
            raise TargetFault("the target does not answer", cause="refused")
        return await asyncssh.connect(
            "127.0.0.1", self.target_port, username=session.live.session.account,
            client_keys=[KEY], known_hosts=None, config=None,
            client_factory=(lambda: _Listener(SessionHooks(session))) if self.adopting else None,
        )  # fmt: skip


MakeHolding = Callable[[FakeJournal, ScriptedPolicy], Holding]


async def nowhere(name: str) -> tuple[()]:
    """No name leads anywhere."""
    return ()


@asynccontextmanager
async def ssh_story(
    agents: AgentTerms | None = None,
    holding: MakeHolding | None = None,
    policy: ScriptedPolicy | None = None,
) -> AsyncIterator[SshStory]:
    """Door and target, on free ports of loopback. With `agents`, what the target opens is heard.

    `holding` makes those rooms of the gate in which things wait for people.
    """
    reached: list[asyncssh.SSHServerConnection] = []
    target = await asyncssh.listen(
        "127.0.0.1", 0, server_factory=lambda: TargetServer(reached), server_host_keys=[KEY],
        process_factory=serve_process, encoding=None, sftp_factory=True, line_editor=False,
    )  # fmt: skip
    journal, policy, book = FakeJournal(), policy or ScriptedPolicy(), Book()
    options = {"server_host_keys": [KEY], "x11_forwarding": False, "agent_forwarding": False}
    gate = Clearance(
        journal, policy, on_unrecordable=lambda *_told: None,
        holding=holding(journal, policy) if holding is not None else None,
    )  # fmt: skip
    holder: list[SshStory] = []
    faults: list[BaseException] = []
    lapses: dict[str, str] = {}

    class Way:
        async def connect(self, session: SshSession) -> Any:
            return await holder[0].connect(session)

    rooms = Rooms(
        gate, journal, policy, book, Way(), SystemClock(), os.urandom, CommandReader(Offload()), faults.append,
        lambda arrival: lapses.get(arrival.principal.name, ""),
        link_to=lambda request: f"https://gw.example/r/{request}",
    )
    sessions = SshSessions(Admission(book, policy), Supervision(), rooms)
    leads = Leads(book, SystemClock(), nowhere, lambda _address: False)
    jumps = Jumps(sessions.owner, leads.registered, lambda _alias: options)
    doors = Doors(sessions, LiveRecordings(), jumps.jump, leads, agents or AgentTerms())
    jumps.doors = doors
    door = SshDoor(SshDoorValues(port=0), options, lambda _source, entered: AnyKey(doors, entered))
    await door.start()
    holder.append(SshStory(door.port, journal, policy, sessions, door, target_port=target.get_port(), faults=faults, lapses=lapses, targets=reached, adopting=agents is not None))
    try:
        yield holder[0]
    finally:
        await door.close()
        sessions.stop_now("")
        await sessions.ended(5)
        await sessions.close()
        target.close()
        await target.wait_closed()
