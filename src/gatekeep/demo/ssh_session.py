"""One program for one session of the demo's SSH target: in a terminal of its own, or over pipes.

Carries bytes, window sizes and signals, and ends what runs when its client is gone. Decides nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import struct
import subprocess
import termios
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import asyncssh

from gatekeep.runtime.tasks import TaskOwner

_CHUNK: Final = 65536
_HANG_UP_S: Final = 1.0
_LAST_WORDS_S: Final = 0.5
_PASSED_ON: Final = ("LANG", "LC_", "COLORTERM")

Process = asyncssh.SSHServerProcess[bytes]
Program = asyncio.subprocess.Process


async def serve(process: Process, shell: str, home: Path, account: str) -> None:
    """Run the account's shell, or a command in it, until it ends or nobody is there any more."""
    command = process.command
    owner = TaskOwner("session")
    try:
        line = [shell, "-c", command] if command is not None else [shell]
        if command is None and process.term_type is not None:
            line = [shell, "-i"]
        environment = _environment(process, shell, home, account)
        carry = _in_terminal if process.term_type is not None else _over_pipes
        code = await carry(process, line, {"env": environment, "cwd": home}, owner)
        if code < 0:
            process.exit_with_signal(signal.Signals(-code).name.removeprefix("SIG"))
        else:
            process.exit(code)
    except (OSError, asyncssh.Error) as error:
        process.stderr.write(f"{shell}: {error}\n".encode())
        process.exit(127)
    finally:
        await owner.close()


def _environment(process: Process, shell: str, home: Path, account: str) -> Mapping[str, str]:
    """What a log-in would have, and of the client's wishes only words about language."""
    wished = {
        name: value for name, value in process.env.items() if name.startswith(_PASSED_ON)
    }
    return {
        **wished,
        "HOME": str(home), "USER": account, "LOGNAME": account, "SHELL": shell,
        "PATH": os.environ.get("PATH", os.defpath), "PS1": f"{account}@web-1:\\w\\$ ",
        **({"TERM": process.term_type} if process.term_type else {}),
    }  # fmt: skip


async def _over_pipes(
    process: Process, line: list[str], place: dict[str, Any], owner: TaskOwner
) -> int:
    program = await asyncio.create_subprocess_exec(
        *line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True, **place,
    )  # fmt: skip
    if program.stdin is None or program.stdout is None or program.stderr is None:
        raise OSError("no pipes")
    try:
        owner.spawn(_hang_up(process, program), name="hang-up")
        owner.spawn(_type_into_pipe(process, program, program.stdin), name="input")
        outputs = [
            owner.spawn(_show(program.stdout, process.stdout), name="output"),
            owner.spawn(_show(program.stderr, process.stderr), name="errors"),
        ]
        await asyncio.wait(outputs)  # whoever holds a pipe may still speak, as with any sshd
        return await program.wait()
    finally:
        _send(program, signal.SIGKILL)


async def _type_into_pipe(
    process: Process, program: Program, pipe: asyncio.StreamWriter
) -> None:
    with contextlib.suppress(OSError):
        while data := await _typed(process, program, None):
            pipe.write(data)
            await pipe.drain()
        pipe.close()


async def _show(source: asyncio.StreamReader, sink: asyncssh.SSHWriter[bytes]) -> None:
    with contextlib.suppress(OSError, asyncssh.Error):
        while data := await source.read(_CHUNK):
            sink.write(data)
            await sink.drain()


async def _in_terminal(
    process: Process, line: list[str], place: dict[str, Any], owner: TaskOwner
) -> int:
    ours, theirs = os.openpty()
    try:
        _resize(ours, process.term_size)
        try:
            program = await asyncio.create_subprocess_exec(
                *line, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
                preexec_fn=_take_terminal, **place,
            )  # fmt: skip
        finally:
            os.close(theirs)
        os.set_blocking(ours, False)
        try:
            owner.spawn(_hang_up(process, program), name="hang-up")
            owner.spawn(_type_into_terminal(process, program, ours), name="input")
            shown = owner.spawn(_show_terminal(ours, process), name="output")
            code = await program.wait()
            await asyncio.wait([shown], timeout=_LAST_WORDS_S)  # another may hold the terminal
            await owner.close()
            return code
        finally:
            _send(program, signal.SIGKILL)
    finally:
        os.close(ours)


def _take_terminal() -> None:
    """In the child: the terminal on its standard input becomes its own."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _resize(terminal: int, size: tuple[int, int, int, int]) -> None:
    columns, rows, width, height = (max(0, min(value, 0xFFFF)) for value in size)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, width, height))


async def _type_into_terminal(process: Process, program: Program, terminal: int) -> None:
    with contextlib.suppress(OSError):
        while data := await _typed(process, program, terminal):
            while data:
                try:
                    data = data[os.write(terminal, data) :]
                except BlockingIOError:
                    await _ready(terminal, to_write=True)


async def _show_terminal(terminal: int, process: Process) -> None:
    with contextlib.suppress(OSError, asyncssh.Error):  # EIO: nobody holds its other end
        while True:
            try:
                data = os.read(terminal, _CHUNK)
            except BlockingIOError:
                await _ready(terminal, to_write=False)
                continue
            if not data:
                return
            process.stdout.write(data)
            await process.stdout.drain()


async def _ready(terminal: int, *, to_write: bool) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)

    add, remove = (
        (loop.add_writer, loop.remove_writer) if to_write else (loop.add_reader, loop.remove_reader)
    )
    add(terminal, wake)
    try:
        await ready
    finally:
        remove(terminal)


async def _typed(process: Process, program: Program, terminal: int | None) -> bytes:
    """The next bytes of the client; its signals and new windows are passed on between them."""
    while True:
        try:
            return await process.stdin.read(_CHUNK)
        except asyncssh.TerminalSizeChanged as changed:
            if terminal is not None:
                _resize(terminal, changed.term_size)
        except asyncssh.SignalReceived as received:
            _send(program, getattr(signal, f"SIG{received.signal}", None))
        except asyncssh.BreakReceived:
            continue


async def _hang_up(process: Process, program: Program) -> None:
    """End what runs when its channel is closed: its terminal is gone, or its pipes are."""
    await process.channel.wait_closed()
    _send(program, signal.SIGHUP)
    await asyncio.sleep(_HANG_UP_S)
    _send(program, signal.SIGKILL)


def _send(program: Program, sign: signal.Signals | None) -> None:
    """A signal for all that the session runs."""
    if sign is not None and program.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(program.pid, sign)
