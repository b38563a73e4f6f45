"""Runs pure functions in a process of its own: what is long there stalls nobody here.

A thread would share the interpreter's lock, and one call into a C library can hold it for long
(0.3 s to decode the tree of a large statement). The process is started when it is first needed,
and again after it has died; whoever waits for it then gets WorkLost. It ends when its standard
input does, in the middle of whatever it does, so it outlives no gateway, however that ends.

Both ends speak pickle over the pipes of a child that runs `main` of this very file.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import resource
import select
import signal
import struct
import sys
import threading
import traceback
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, TypeVar

_LENGTH: Final = struct.Struct(">Q")
_STACK_BYTES: Final = 64 << 20
_KEPT: Final = 8
# By name and not with -m: what is pickled must be of one module on both ends.
_CHILD: Final = f"from {__name__} import main; main()"
_END_S: Final = 5.0

Result = TypeVar("Result")


class WorkLost(Exception):  # noqa: N818 - says what happened
    """The process died, or took longer than it may, with this work in its hands."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An argument that is sent once and kept by the process: large, and the same for many calls.

    `key` names its content: two with one key are taken to be the same.
    """

    key: str
    value: object


class WorkProcess:
    """One process, one piece of work at a time; others wait their turn."""

    def __init__(self, *, limit_s: float = 10.0) -> None:
        self._limit_s = limit_s
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._over = False
        self.waiting = 0
        """How many pieces of work it has, the one in its hands included."""
        self._sent: OrderedDict[str, None] = OrderedDict()

    @property
    def pid(self) -> int:
        """Its process id; 0 while there is none."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else 0

    async def run(
        self, function: Callable[..., Result], *arguments: object, limit_s: float | None = None
    ) -> Result:
        """What the function returns there; its exceptions pass through.

        `function` is one of a module; arguments are pickled, a Kept one only when it is new to
        the process. `limit_s` is for this work, in place of that for all. Raises WorkLost when the
        process dies or the limit passes.
        """
        self.waiting += 1
        try:
            async with self._turn:
                return await self._in_turn(function, arguments, limit_s or self._limit_s)
        finally:
            self.waiting -= 1

    async def _in_turn(
        self, function: Callable[..., Result], arguments: tuple[object, ...], limit_s: float
    ) -> Result:
        try:
            async with asyncio.timeout(limit_s):
                return await self._run(function, arguments)
        except (TimeoutError, OSError, asyncio.IncompleteReadError, pickle.PickleError) as error:
            await self._end(at_once=True)
            raise WorkLost(type(error).__name__) from error
        except asyncio.CancelledError:
            await self._end(at_once=True)  # its answer would be taken for the next one's
            raise

    async def close(self) -> None:
        """End the process, once the work in its hands is done or its time is over."""
        async with self._turn:
            await self._end(at_once=False)

    async def kill(self) -> None:
        """End the process in the middle of whatever it does; there is no other one from then on."""
        self._over = True
        await self._end(at_once=True)

    async def _run(self, function: Callable[..., Result], arguments: tuple[object, ...]) -> Result:
        process = await self._started()
        assert process.stdin is not None  # noqa: S101 - it was started with pipes
        assert process.stdout is not None  # noqa: S101 - likewise
        try:
            message = pickle.dumps((function, tuple(map(self._slimmed, arguments))))
        except BaseException:
            self._sent.clear()  # nothing went out, so what was to be kept is sent with the next one
            raise
        process.stdin.writelines((_LENGTH.pack(len(message)), message))
        await process.stdin.drain()
        (length,) = _LENGTH.unpack(await process.stdout.readexactly(_LENGTH.size))
        good, value = pickle.loads(await process.stdout.readexactly(length))  # noqa: S301 - our own child
        if not good:
            raise value
        return value  # type: ignore[no-any-return] # what the function returned

    def _slimmed(self, argument: object) -> object:
        if not isinstance(argument, Kept):
            return argument
        known = argument.key in self._sent
        _remember(self._sent, argument.key, None)
        return Kept(argument.key, None) if known else argument

    async def _started(self) -> asyncio.subprocess.Process:
        if self._over:
            raise WorkLost("it was ended")
        if self._process is None or self._process.returncode is not None:
            self._sent.clear()
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", _CHILD,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                start_new_session=True,
            )  # fmt: skip
            if self._over:  # meanwhile
                await self._end(at_once=True)
                raise WorkLost("it was ended")
        return self._process

    async def _end(self, *, at_once: bool) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            if at_once:
                process.kill()
            elif process.stdin is not None:
                process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), _END_S)
        except TimeoutError:
            process.kill()
            await process.wait()


def _remember(kept: OrderedDict[str, Any], key: str, value: object) -> None:
    """Both ends forget alike: the one that was used longest ago."""
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > _KEPT:
        kept.popitem(last=False)


# --- the other end ----------------------------------------------------------------------------------


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Do what is asked until the source ends."""
    kept: OrderedDict[str, Any] = OrderedDict()
    while head := source.read(_LENGTH.size):
        (length,) = _LENGTH.unpack(head)
        function, arguments = pickle.loads(source.read(length))  # noqa: S301 - our own parent
        answer = pickle.dumps(_done(function, [_whole(kept, one) for one in arguments]))
        sink.write(_LENGTH.pack(len(answer)) + answer)
        sink.flush()


def _whole(kept: OrderedDict[str, Any], argument: object) -> object:
    if not isinstance(argument, Kept):
        return argument
    value = kept[argument.key] if argument.value is None else argument.value
    _remember(kept, argument.key, value)
    return value


def _done(function: Callable[..., object], arguments: list[object]) -> tuple[bool, object]:
    try:
        return True, function(*arguments)
    except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the caller
        return False, error


def _serve_and_end(source: BinaryIO, sink: BinaryIO) -> None:
    code = 1
    try:
        serve(source, sink)
        code = 0
    except Exception:  # noqa: BLE001 - whatever it is, the process ends by it
        traceback.print_exc()
    finally:
        os._exit(code)


def main() -> None:
    """Serve standard input on a thread with a 64 MiB stack; core files would hold statements."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    threading.stack_size(_STACK_BYTES)
    source, sink = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever is printed, here or by what is started here, is no answer
    threading.Thread(target=_serve_and_end, args=(source, sink), daemon=True).start()
    end = select.poll()
    end.register(source, 0)  # of nothing but the end it is told
    end.poll()
    os._exit(0)
