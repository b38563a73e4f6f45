"""Any client, any target and any policy of an sftp conversation, by one source of chance; and what must hold.

AssertionError where something reaches the target undecided, or a request is answered twice.
"""

from __future__ import annotations

import posixpath
import random
from collections import Counter
from collections.abc import Container

from support.sftp_talk import (
    HOME,
    INIT,
    by_handle,
    by_path,
    close,
    data,
    extended,
    handle,
    is_probe,
    named,
    ok,
    open_,
    packets,
    read,
    u32,
    u64,
    version,
    write,
)

from gatekeep.protocols.ssh.files import sftp_packets as p
from gatekeep.protocols.ssh.files.file_turns import (
    Answer,
    Note,
    Relay,
    Submit,
    ToTarget,
    Turn,
    Violation,
)
from gatekeep.protocols.ssh.files.sftp import SftpConversation
from gatekeep.protocols.ssh.files.sftp_actions import EXTENSIONS

NAMES = (b"a", b"/etc/x", b"d/../e", b"", b".ssh", b"l/", b"..", b"\xff", b"n" * 300)
HANDLES = (b"1", b"2", b"3", b"?")
BY_HANDLE = {p.CLOSE, p.READ, p.WRITE, p.FSTAT, p.FSETSTAT, p.READDIR}


def request(rng: random.Random, number: int) -> bytes:
    """Mostly a request as it should be."""
    path, other = rng.choice(NAMES), rng.choice(NAMES)
    name = rng.choice((*HANDLES, b"%d" % rng.randrange(6)))
    attributes = rng.choice(
        (u32(0), u32(1) + u64(0), u32(4) + u32(0o644), u32(8) + u64(0), u32(15) + bytes(24), u32(64))
    )
    makers = (
        lambda: open_(number, path, rng.randrange(64), u32(0)),
        lambda: open_(number, path, rng.randrange(70), attributes),
        lambda: read(number, name, rng.randrange(9), rng.randrange(9)),
        lambda: write(number, name, rng.randrange(9), b"x" * rng.randrange(9)),
        lambda: close(number, name),
        lambda: by_handle(p.FSETSTAT, number, name, u32(4) + u32(0o600)),
        lambda: by_handle(rng.choice((p.FSTAT, p.READDIR)), number, name),
        lambda: by_handle(p.FSETSTAT, number, name, attributes),
        lambda: by_path(rng.choice((p.STAT, p.LSTAT, p.OPENDIR, p.REMOVE, p.RMDIR)), number, path),
        lambda: by_path(rng.choice((p.REALPATH, p.READLINK)), number, path),
        lambda: by_path(rng.choice((p.RENAME, p.SYMLINK)), number, path, other),
        lambda: p.request(rng.choice((p.MKDIR, p.SETSTAT)), number, p.string(path), attributes),
        lambda: extended(number, rng.choice(tuple(EXTENSIONS)), p.string(path), p.string(other)),
        lambda: extended(
            number, b"copy-data", p.string(name), u64(0), u64(0), p.string(rng.choice(HANDLES)), u64(0)
        ),
        lambda: extended(number, b"fstatvfs@openssh.com", p.string(name)),
        lambda: extended(number, b"limits@openssh.com"),
        lambda: p.request(rng.randrange(256), number, rng.randbytes(rng.randrange(20))),
    )
    made = rng.choice(makers)()
    if rng.random() < 0.01:
        at = rng.randrange(4, len(made))  # the length stays: what follows is a packet still
        made = made[:at] + rng.randbytes(1) + made[at + 1 :]
    return made


def answer(rng: random.Random, asked: bytes, taken: Container[bytes]) -> bytes:
    """Mostly an answer that fits; a handle is the first name that is free, as many targets do it."""
    number, kind = int.from_bytes(asked[5:9], "big"), asked[4]
    if is_probe(asked) and rng.random() < 0.8:
        return named(number, posixpath.normpath(posixpath.join(HOME, asked[13:])))
    if rng.random() < 0.2:
        return p.status(number, rng.randrange(10), rng.choice(("", "no", "gatekeep: \x1b")))
    if rng.random() < 0.003:
        return rng.choice((ok(number ^ 1), data(number, b"y" * 99), named(number), b"\0\0\0\0"))
    if kind == p.EXTENDED:
        return extension_answer(number, asked)
    if kind in (p.OPEN, p.OPENDIR):
        free = next(name for n in range(200) if (name := b"%d" % n) not in taken)
        return handle(number, rng.choice((free,) * 99 + HANDLES[:1]))
    attributes = p.request(p.ATTRS, number, u32(4), u32(0o644))
    fitting = {
        p.READ: data(number, b"z" * min(asked[-1], rng.randrange(4))),
        p.READDIR: named(number, *(rng.choice(NAMES) for _ in range(rng.randrange(3)))),
        p.STAT: attributes, p.LSTAT: attributes, p.FSTAT: attributes,
        p.REALPATH: named(number, rng.choice((b"/x", b"x\n"))), p.READLINK: named(number, b"/x"),
    }  # fmt: skip
    return fitting.get(kind, ok(number))


def extension_answer(number: int, asked: bytes) -> bytes:
    """What an extension brings."""
    name = p.Fields(asked, 9).string(99)
    if b"statvfs" in name:
        return p.request(p.EXTENDED_REPLY, number, bytes(88))
    if b"limits" in name:
        return p.request(p.EXTENDED_REPLY, number, bytes(32))
    if b"users" in name:
        return p.request(p.EXTENDED_REPLY, number, p.string(p.string(b"a\n")), p.string(b""))
    if name in (b"expand-path@openssh.com", b"home-directory"):
        return named(number, b"/x")
    return ok(number)


def handle_of(packet: bytes) -> bytes | None:
    """By which handle a request is, if by one."""
    try:
        fields = p.Fields(packet, 9)
        if packet[4] in BY_HANDLE:
            return fields.string(p.MOST_HANDLE)
        if packet[4] == p.EXTENDED and fields.string(99) in (b"fstatvfs@openssh.com", b"fsync@openssh.com"):
            return fields.string(p.MOST_HANDLE)
    except p.Malformed:
        pass
    return None


class World:
    """Plays both ends and the policy by one source of chance, and watches."""

    def __init__(self, rng: random.Random, pieces: random.Random | None) -> None:
        self.rng = rng
        self.pieces = pieces
        self.conversation = SftpConversation()
        self.undecided: list[int] = []
        self.released: set[bytes] = set()
        self.unanswered: list[bytes] = []
        self.owed: Counter[int] = Counter()
        self.open: dict[bytes, int] = {}
        self.meant: dict[int, int | None] = {}
        self.sent = bytearray()
        self.shown = bytearray()
        self.log: list[str] = []
        self.over = False

    def say(self, side: str, whole: bytes) -> None:
        """One side says something, in pieces or not."""
        take = getattr(self.conversation, f"receive_{side}")
        if self.pieces is None:
            self.follow(take(whole))
            return
        while whole:
            cut = self.pieces.randint(1, len(whole))
            self.follow(take(whole[:cut]))
            whole = whole[cut:]

    def follow(self, turns: list[Turn]) -> None:
        """What is done with turns, and what must be true of them."""
        for turn in turns:
            assert not self.over, "a turn after the end"
            if isinstance(turn, Submit):
                self.undecided.append(turn.key)
                self.log.append(f"submit {turn.action}")
            elif isinstance(turn, ToTarget):
                self.check_sent(turn.data)
                self.sent += turn.data
                self.unanswered.append(turn.data)
            elif isinstance(turn, Answer | Relay):
                self.shown += turn.data
                if turn.data[4] == p.HANDLE:
                    self.open[turn.data[13:]] = len(self.shown)
                if turn.data[4] != p.VERSION:
                    number = int.from_bytes(turn.data[5:9], "big")
                    self.owed[number] -= 1
                    assert self.owed[number] >= 0, "answered twice, or never asked"
            elif isinstance(turn, Violation):
                self.over = True
                self.log.append(f"violation by {turn.whose}")
            elif not isinstance(turn, Note):
                self.log.append(repr(turn))

    def check_sent(self, packet: bytes) -> None:
        """Nothing but INIT, our questions, requests by handles, and what was released."""
        assert len(packets(packet)) == 1
        if packet == INIT or is_probe(packet):
            return
        name = handle_of(packet)
        if name is not None:
            number = int.from_bytes(packet[5:9], "big")
            assert name in self.open, "by a handle that is not open"
            assert self.open[name] == self.meant[number], "by the handle of another file"
            if packet[4] == p.CLOSE:
                del self.open[name]
            if packet[4] != p.FSETSTAT:
                return
        if packet[4] == p.FSETSTAT and packet not in self.released:
            assert p.Fields(packet, 13 + len(name or b"")).attributes().mode is None
            return
        assert packet in self.released, packet

    def ask(self, packet: bytes) -> None:
        """The client asks for something; by a handle it means the file that has it now."""
        number, name = int.from_bytes(packet[5:9], "big"), handle_of(packet)
        self.owed[number] += 1
        self.meant[number] = None if name is None else self.open.get(name)
        self.say("client", packet)

    def decide(self, key: int, *, allow: bool) -> None:
        """A verdict; the bytes it may set free are the operation's own."""
        operation = self.conversation._line._active[key]
        assert operation.packet
        if allow:
            self.released.add(operation.packet)
            self.follow(self.conversation.release(key))
        else:
            self.follow(self.conversation.refuse(key, ("gatekeep: no",)))


def play(rng: random.Random, pieces: random.Random | None = None, steps: int = 120) -> World:
    """A whole conversation."""
    world = World(rng, pieces)
    world.say("client", INIT)
    world.unanswered.clear()
    world.say("target", version())
    number = 0
    while not world.over and number < steps:
        step = rng.random()
        if step < 0.4:
            number += 1
            packet = request(rng, number if rng.random() < 0.999 else rng.randrange(number))
            world.ask(packet)
        elif step < 0.6 and world.undecided:
            key = world.undecided.pop(rng.randrange(len(world.undecided)))
            world.decide(key, allow=rng.random() < 0.8)
        elif world.unanswered:
            asked = world.unanswered.pop(rng.choice((0, -1)))
            world.say("target", answer(rng, asked, world.open))
        else:
            number += 1
    return world


def end(world: World) -> None:
    """All is decided and answered; then nothing may be left."""
    while not world.over and (world.undecided or world.unanswered):
        if world.undecided:
            world.decide(world.undecided.pop(), allow=True)
        else:
            world.say("target", answer(world.rng, world.unanswered.pop(0), world.open))
    if not world.over:
        assert world.conversation.idle
        assert set(world.owed.values()) <= {0}
    world.conversation.finish()
