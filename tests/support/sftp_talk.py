"""A conversation of sftp with both of its ends played by the test, and what came of it."""

from __future__ import annotations

import posixpath
import struct
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from gatekeep.domain.commands import CommandFacts, SshAction
from gatekeep.protocols.ssh.files import sftp_packets as p
from gatekeep.protocols.ssh.files.file_turns import Answer, Relay, Settled, Submit, ToTarget, Turn
from gatekeep.protocols.ssh.files.sftp import SftpConversation
from gatekeep.protocols.ssh.files.sftp_actions import EXTENSIONS

T = TypeVar("T", bound=Turn)

HOME = b"/home/deploy"
INIT = p.packet(p.INIT, struct.pack(">I", 3))
PROBES = 0xF0000000


def u32(number: int) -> bytes:
    """A field."""
    return struct.pack(">I", number)


def u64(number: int) -> bytes:
    """A field."""
    return struct.pack(">Q", number)


def version(extensions: Mapping[bytes, bytes] = EXTENSIONS, number: int = 3) -> bytes:
    """The target's greeting."""
    told = (p.string(name) + p.string(data) for name, data in extensions.items())
    return p.packet(p.VERSION, u32(number), *told)


def named(number: int, *names: bytes, long: bytes | None = None) -> bytes:
    """A NAME."""
    entries = (p.string(n) + p.string(n if long is None else long) + u32(0) for n in names)
    return p.request(p.NAME, number, u32(len(names)), *entries)


def open_(number: int, path: bytes, flags: int = p.FLAG_READ, attributes: bytes = u32(0)) -> bytes:
    """An OPEN."""
    return p.request(p.OPEN, number, p.string(path), u32(flags), attributes)


def by_path(kind: int, number: int, *paths: bytes) -> bytes:
    """A request of paths only."""
    return p.request(kind, number, *map(p.string, paths))


def extended(number: int, name: bytes, *fields: bytes) -> bytes:
    """An EXTENDED."""
    return p.request(p.EXTENDED, number, p.string(name), *fields)


def by_handle(kind: int, number: int, handle: bytes, *fields: bytes) -> bytes:
    """A request by a handle."""
    return p.request(kind, number, p.string(handle), *fields)


def read(number: int, handle: bytes, offset: int, length: int) -> bytes:
    """A READ."""
    return by_handle(p.READ, number, handle, u64(offset), u32(length))


def write(number: int, handle: bytes, offset: int, data: bytes) -> bytes:
    """A WRITE."""
    return by_handle(p.WRITE, number, handle, u64(offset), p.string(data))


def close(number: int, handle: bytes) -> bytes:
    """A CLOSE."""
    return by_handle(p.CLOSE, number, handle)


def data(number: int, content: bytes) -> bytes:
    """A DATA."""
    return p.request(p.DATA, number, p.string(content))


def handle(number: int, name: bytes) -> bytes:
    """A HANDLE."""
    return p.request(p.HANDLE, number, p.string(name))


def ok(number: int) -> bytes:
    """A STATUS that is good."""
    return p.status(number, p.OK, "Success")


def only(kind: type[T], turns: Iterable[Turn]) -> list[T]:
    """The turns of one kind."""
    return [turn for turn in turns if isinstance(turn, kind)]


def code_of(packet: bytes) -> int:
    """Of a STATUS."""
    assert packet[4] == p.STATUS
    return int.from_bytes(packet[9:13], "big")


def paths_of(action: SshAction) -> set[str]:
    """All paths of an action."""
    return {path for fact in action.facts if isinstance(fact, CommandFacts) for path in fact.paths}


def actions_of(action: SshAction) -> list[str]:
    """Its Cedar actions."""
    return [fact.action for fact in action.facts]


def tags_of(action: SshAction) -> set[str]:
    """All its tags."""
    facts = [fact for fact in action.facts if isinstance(fact, CommandFacts)]
    return set(action.tags).union(*(fact.tags for fact in facts))


class Talk:
    """Holds a conversation that has said hello; answers its REALPATHs by `real`."""

    def __init__(
        self,
        real: Callable[[bytes], bytes | None] | None = None,
        extensions: Mapping[bytes, bytes] = EXTENSIONS,
        *,
        home: bytes | None = HOME,
    ) -> None:
        self.conversation = SftpConversation()
        self.real = real or (lambda path: posixpath.normpath(posixpath.join(HOME, path)))
        self.home = home
        self.turns: list[Turn] = []
        self.sent = bytearray()
        self.shown = bytearray()
        self.asked: list[bytes] = []
        self.client(INIT)
        self.target(version(extensions))

    def client(self, *packets: bytes) -> list[Turn]:
        """The client says these; gives all that followed."""
        return self._follow([t for one in packets for t in self.conversation.receive_client(one)])

    def target(self, *packets: bytes) -> list[Turn]:
        """The target says these."""
        return self._follow([t for one in packets for t in self.conversation.receive_target(one)])

    def release(self, key: int) -> list[Turn]:
        """The operation may be."""
        return self._follow(self.conversation.release(key))

    def refuse(self, key: int, *words: str) -> list[Turn]:
        """The operation may not be."""
        return self._follow(self.conversation.refuse(key, words or ("gatekeep: no",)))

    def _follow(self, turns: list[Turn]) -> list[Turn]:
        done: list[Turn] = []
        waiting = list(turns)
        while waiting:
            turn = waiting.pop(0)
            if isinstance(turn, ToTarget) and is_probe(turn.data):
                waiting += self.conversation.receive_target(self._realpath(turn.data))
                continue
            done.append(turn)
            if isinstance(turn, ToTarget):
                self.sent += turn.data
            elif isinstance(turn, Answer | Relay):
                self.shown += turn.data
        self.turns += done
        return done

    def _realpath(self, packet: bytes) -> bytes:
        number, path = int.from_bytes(packet[5:9], "big"), packet[13:]
        self.asked.append(path)
        real = self.home if len(self.asked) == 1 else self.real(path)
        return p.status(number, p.NO_SUCH_FILE, "none") if real is None else named(number, real)

    def submitted(self, *packets: bytes) -> Submit:
        """The one operation that these packets are."""
        (found,) = only(Submit, self.client(*packets))
        return found

    def open(self, number: int, path: bytes, name: bytes, flags: int = p.FLAG_READ) -> int:
        """A file is opened, released and answered; gives its key."""
        key = self.submitted(open_(number, path, flags)).key
        self.release(key)
        self.target(handle(number, name))
        return key

    def settled(self) -> list[Settled]:
        """All that was settled so far."""
        return only(Settled, self.turns)


def is_probe(packet: bytes) -> bool:
    """Whether it is a question of the conversation's own."""
    return packet[4] == p.REALPATH and int.from_bytes(packet[5:9], "big") >= PROBES


def packets(stream: bytes) -> list[bytes]:
    """A stream in whole packets."""
    cut = p.Stream(1 << 30)
    cut.feed(stream)
    found = []
    while (packet := cut.packet()) is not None:
        found.append(packet)
    assert not cut.held
    return found
