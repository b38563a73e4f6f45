"""One session channel, from what it asks for to its outcome: read, decided, opened, relayed.

How bytes are relayed differs by what runs: `relay`, `shell`, `files`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable
from functools import partial
from typing import Final

import asyncssh
import structlog

from gatekeep import messages
from gatekeep.domain.commands import SshAction
from gatekeep.domain.events import EventKind
from gatekeep.domain.outcomes import Outcome, OutcomeKind, failed_outcome
from gatekeep.errors import SettingsError, TargetFault
from gatekeep.gate.permit import CommandRefusal, Permit
from gatekeep.messages import ssh as words
from gatekeep.protocols.ssh.commands.secrets import redact_command
from gatekeep.protocols.ssh.files.sftp import SftpConversation
from gatekeep.protocols.ssh.shells.hook_bootstrap import hook_command
from gatekeep.proxies.ssh import ways
from gatekeep.proxies.ssh.arrivals import Arrival
from gatekeep.proxies.ssh.asking import SFTP, Asked, asked_of, moves_files_unseen
from gatekeep.proxies.ssh.bindings import Around
from gatekeep.proxies.ssh.ends import ClientEnd, TargetEnd
from gatekeep.proxies.ssh.files import FileRelay
from gatekeep.proxies.ssh.holding import Held, OnStderr, attend
from gatekeep.proxies.ssh.pinned_files import pinned_file
from gatekeep.proxies.ssh.relay import Relay
from gatekeep.proxies.ssh.session import SshSession
from gatekeep.proxies.ssh.shell import ShellRelay
from gatekeep.proxies.ssh.ways import Recordings

_log = structlog.get_logger(__name__)

REFUSED: Final = 126
UNREACHED: Final = 255
_PARTING_S: Final = 1.0
_WINDOW: Final = 128 * 1024
_SUBSYSTEM: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@/-]{0,63}")
_LANGUAGE: Final = re.compile(rb"LC_[A-Z]{1,32}")
_PASSED_ON: Final = (b"LANG", b"TERM", b"COLORTERM")


async def serve_channel(session: SshSession, end: ClientEnd, recordings: Recordings) -> None:
    """Run one channel to its end; never raises but for cancellation."""
    number = session.enter()
    if number is None:
        turn_away(end, (words.request_refused("another channel"),))
        return
    try:
        channel = _Channel(session, end, recordings, number)
        with session.told(channel.part):
            await channel.run()
    except Exception as error:  # noqa: BLE001 - one channel never ends another
        _log.exception("channel failed", session=session.live.session.code)
        session.note(EventKind.CHANNEL_CLOSED, {"channel": number, "fault": type(error).__name__})
        end.abort()
    finally:
        session.take_back(end.agent)
        if session.draining or session.over.is_set():
            # A client that hears of the session's end before it has read ours shows nothing of it.
            await end.parted(_PARTING_S)
        session.leave()


def turn_away(end: ClientEnd, lines: tuple[str, ...], status: int = REFUSED) -> None:
    """Say why nothing runs, and end the channel."""
    end.say(lines)
    if end.open:
        end.channel.exit(status)


class _Channel:
    """What one channel is about."""

    def __init__(
        self, session: SshSession, end: ClientEnd, recordings: Recordings, number: int
    ) -> None:
        self._session = session
        self._end = end
        self._recordings = recordings
        self._number = number
        self._environment, self._left_out = _environment(end)
        self._shell: ShellRelay | None = None
        self._run_instead = ""

    def part(self, text: str) -> None:
        """The session is over: say why, and close. What the client still sends goes nowhere."""
        if text and self._shell is not None:
            self._shell.tell(text, at_margin=True)
        elif text:
            self._end.say((text,))
        self._end.close()

    async def run(self) -> None:
        """Decide, open, relay, end."""
        _limited(self._end, self._session.arrival)
        self._end.say(self._end.notes)
        if not self._session.still_admitted():
            turn_away(self._end, (words.no_longer_admitted(self._session.live.session.target.name),))
        elif (unfit := _unfit(self._end)) is not None:
            self._not_offered(unfit)
        elif self._end.kind == "subsystem" and self._end.text == SFTP:
            await self._files()
        else:
            await self._command()

    def _not_offered(self, what: str) -> None:
        """No rule could permit this: recorded, and said."""
        text = redact_command(messages.printable(self._end.text))
        cause = {"cause": "not_offered", "mode": self._end.kind, "text": text}
        self._session.note(EventKind.ACTION_REFUSED, {**cause, "channel": self._number})
        turn_away(self._end, words.unfit_request(what))

    async def _files(self) -> None:
        """Each operation is judged by itself; the channel as such is only told."""
        self._end.terminal = None  # a terminal on the way would change what was judged
        self._session.note(EventKind.CHANNEL_OPENED, {"channel": self._number, "mode": "sftp"})
        target = await self._opened(None)
        if target is None:
            return
        relay = FileRelay(
            self._session, self._end, target, SftpConversation(), tell=True, hold=self._held
        )
        with self._session.carrying(relay):
            await relay.run()
        self._session.note(
            EventKind.CHANNEL_CLOSED,
            {
                "bytes_in": relay.bytes_in,
                "bytes_out": relay.bytes_out,
                "channel": self._number,
                "mode": "sftp",
            },
        )
        end_as(self._end, target)

    async def _command(self) -> None:
        login_shell = self._session.live.session.target.login_shell
        reader = self._session.rooms.reader
        read_file = partial(pinned_file, self._session)
        asked = await asked_of(self._end, reader, login_shell, self._details(), read_file)
        if asked.files is None and moves_files_unseen(asked.action.facts):
            self._not_offered("an sftp or scp server that is started in another way")
            return
        answer = await self._session.clear(asked.action, hold=lambda: self._held(asked.action))
        if isinstance(answer, CommandRefusal):
            turn_away(self._end, answer.lines)
            return
        self._session.goes_out(answer)
        if asked.pinned is not None:
            self._run_instead = asked.pinned.pinned.line
        target = await self._opened(answer)
        if target is None:
            return
        relay = self._relay(target, asked)
        try:
            with self._session.carrying(relay):
                await relay.run()
        finally:
            if self._end.terminal is not None:
                session_id = self._session.live.session.id
                self._recordings.forget(session_id, self._number)
        self._session.settle(answer, relay.outcome())
        end_as(self._end, target)

    def _relay(self, target: TargetEnd, asked: Asked) -> Relay:
        end = self._end
        if asked.files is not None:
            return FileRelay(self._session, end, target, asked.files, hold=self._held)
        end.on_signal = lambda name: _signal(target, name)
        end.on_break = target.channel.send_break
        if end.terminal is not None:
            shell = ways.terminal(
                self._session, (end, target), self._number, self._recordings, self._around,
                shell=end.kind == "shell",
            )  # fmt: skip
            self._shell, end.on_resize = shell, shell.resized
            if end.kind == "shell":
                session = self._session.live.session
                shell.tell(
                    words.welcome(
                        session.principal.name, session.target.name, session.account, session.code
                    )
                )
            return shell
        if asked.pinned is not None:
            return ways.PinnedRelay(
                self._session, (end, target), self._number, asked.pinned.content
            )
        plain = ways.PlainRelay(self._session, (end, target), self._number)
        if asked.gathered is not None:
            asked.gathered.hand_over(plain)
        return plain

    def _held(self, action: SshAction) -> Held:
        """What something waits by that this channel asks for, as a whole or one file after the other."""
        return attend(self._session.held(action, self._around, OnStderr(self._end.say)), self._end)

    def _around(self) -> Around:
        """What of this channel decides what anything in it means."""
        end = self._end
        return Around(
            end.kind,
            terminal=end.terminal[0] if end.terminal else "",
            modes=end.modes if end.terminal else {},
            environment=self._environment,
            subsystem=end.text if end.kind == "subsystem" else "",
            agent=end.agent is not None,
        )

    def _details(self) -> dict[str, object]:
        end = self._end
        details: dict[str, object] = {
            "channel": self._number,
            "pty": end.terminal[0] if end.terminal else "",
            "env": {_shown(name): _variable(name, value) for name, value in self._environment.items()},
        }
        if self._left_out:
            details["env_left_out"] = self._left_out
        return details

    async def _opened(self, permit: Permit | None) -> TargetEnd | None:
        """The twin channel on the target; None, with words to the client, where there is none."""
        end, session = self._end, self._session
        name = session.live.session.target.name
        try:
            connection = await session.target()
            twin = TargetEnd(agent=end.agent is not None)
            session.lend(end.agent)
            opening = connection.create_session(
                lambda: twin,
                self._command_line(),
                subsystem=end.text if end.kind == "subsystem" else None,
                env=self._environment,
                request_pty="force" if end.terminal else False,
                term_type=end.terminal[0] if end.terminal else None,
                term_size=end.terminal[1] if end.terminal else (),
                term_modes=end.modes,
                encoding=None,
                window=_WINDOW,
            )
            if not await self._while_wanted(opening):
                twin.abort()
                if permit is not None:
                    session.settle(permit, Outcome(OutcomeKind.CANCELLED))
                return None
        except (TargetFault, SettingsError) as fault:
            session.note(EventKind.TARGET_FAULT, {"what": messages.printable(fault.cause)})
            lines = getattr(fault, "lines", None) or words.target_silent(name)
            self._not_begun(permit, fault.public, lines)
        except (asyncssh.Error, OSError) as error:
            why = messages.printable(str(error))
            self._not_begun(permit, why, (words.target_refuses(name, why),))
        else:
            return twin
        return None

    async def _while_wanted(self, opening: Awaitable[object]) -> bool:
        """Wait for the target's answer as long as there is a client; whether it came."""
        owner = self._session.owner
        answered = owner.spawn(_awaited(opening), name="opening")
        left = owner.spawn(self._end.left.wait(), name="left")
        try:
            await asyncio.wait({answered, left}, return_when=asyncio.FIRST_COMPLETED)
            if not answered.done():
                return False
            answered.result()
            return True
        finally:
            answered.cancel()
            left.cancel()

    def _command_line(self) -> str | None:
        """What the target executes; None for its own shell, which is what it then runs."""
        end = self._end
        if end.kind == "exec":
            return self._run_instead or end.text
        hooked = ways.hook_of(self._session) if end.kind == "shell" and end.terminal else None
        return hook_command(hooked) if hooked is not None else None

    def _not_begun(self, permit: Permit | None, why: str, lines: tuple[str, ...]) -> None:
        if permit is not None:
            self._session.settle(permit, failed_outcome(why))
        turn_away(self._end, lines, UNREACHED)


async def _awaited(opening: Awaitable[object]) -> None:
    await opening


def _limited(end: ClientEnd, arrival: Arrival) -> None:
    """What the certificate behind a jump demands: at the front asyncssh sees to it itself."""
    if not arrival.jumped:
        return
    if arrival.forced_command is not None:
        end.kind, end.text = "exec", arrival.forced_command
    if "pty" in arrival.forbidden:
        end.terminal = None


def _unfit(end: ClientEnd) -> str | None:
    """Why this cannot even be judged; None where it can."""
    if end.kind == "unreadable":
        return "a request that is not UTF-8, or has a NUL in it,"
    if end.kind == "subsystem" and end.text != SFTP and (
        end.text.lower() == SFTP or not _SUBSYSTEM.fullmatch(end.text)
    ):
        return "a subsystem of this name"
    return None


def end_as(end: ClientEnd, target: TargetEnd) -> None:
    """The client's channel ends as the target's did."""
    if not end.open:
        return
    end.write_eof()
    if target.exit_status is not None:
        end.channel.exit(target.exit_status)
    elif target.exit_signal is not None:
        end.channel.exit_with_signal(*target.exit_signal)
    else:
        end.close()


def _signal(target: TargetEnd, name: str) -> None:
    if target.open:
        target.channel.send_signal(name)


def _environment(end: ClientEnd) -> tuple[dict[bytes | str, bytes | str], list[str]]:
    """What of the client's variables goes on: language and terminal; and the names of the rest."""
    passed: dict[bytes | str, bytes | str] = {}
    left_out: list[str] = []
    for name, value in end.environment.items():
        if (name in _PASSED_ON or _LANGUAGE.fullmatch(name)) and b"\0" not in value:
            passed[name] = value
        else:
            left_out.append(_shown(name))
    return passed, left_out[:32]


def _variable(name: bytes | str, value: bytes | str) -> str:
    """A value as it may stand in the record: some carry secrets to their targets this way."""
    shown, kept = _shown(name), _shown(value)
    return redact_command(f"{shown}={kept}").removeprefix(f"{shown}=")


def _shown(raw: bytes | str) -> str:
    return messages.printable(raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw)
