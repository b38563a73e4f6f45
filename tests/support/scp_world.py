"""Any source, any sink and any policy of an scp conversation, by one source of chance; and what must hold.

AssertionError where something reaches the sink while a decision is awaited, or is settled twice.
"""

from __future__ import annotations

import random

from gatekeep.protocols.ssh.files.file_turns import (
    Answer,
    Relay,
    Settled,
    Submit,
    ToTarget,
    Turn,
    Violation,
)
from gatekeep.protocols.ssh.files.scp import ScpConversation
from gatekeep.protocols.ssh.files.scp_records import ScpCommand

SOURCE_WORDS = (
    b"C0644 3 a\n", b"C0644 0 b\n", b"D0755 0 d\n", b"E\n", b"T1 0 1 0\n", b"\0", b"abc\0", b"abc", b"\1no\n",
    b"C0644 1 ../x\n", b"\2end\n", b"C06", b"\n", b"D0755 0 a\n",
)  # fmt: skip
SINK_WORDS = (b"\0", b"\0", b"\0", b"\1no\n", b"\2no\n", b"x")


class World:
    """Both ends and the policy; `passed` is what the sink got of records and data."""

    def __init__(self, rng: random.Random, pieces: random.Random | None, *, takes: bool) -> None:
        self.rng = rng
        self.pieces = pieces
        self.takes = takes
        command = ScpCommand(takes=takes, paths=("a",) if takes else ("*",), recursive=True)
        self.conversation = ScpConversation(command)
        self.undecided: list[int] = []
        self.allowed: set[int] = set()
        self.settled: list[int] = []
        self.to_sink = bytearray()
        self.to_source = bytearray()
        self.log: list[str] = []
        self.over = False

    def say(self, *, source: bool, whole: bytes) -> None:
        """One side says something, in pieces or not."""
        talk = self.conversation
        take = talk.receive_client if source is self.takes else talk.receive_target
        while whole:
            cut = len(whole) if self.pieces is None else self.pieces.randint(1, len(whole))
            self.follow(take(whole[:cut]))
            whole = whole[cut:]

    def follow(self, turns: list[Turn]) -> None:
        """What must be true of turns."""
        for turn in turns:
            assert not self.over
            if isinstance(turn, Submit):
                assert not self.undecided, "two at once"
                self.undecided.append(turn.key)
                self.log.append(f"{turn.key} {turn.action}")
            elif isinstance(turn, Violation):
                self.over = True
            elif isinstance(turn, Settled):
                assert turn.key in self.allowed
                assert turn.key not in self.settled
                self.settled.append(turn.key)
                self.log.append(repr(turn))
            elif isinstance(turn, ToTarget if self.takes else Relay):
                assert not self.undecided, "something passed while a decision was awaited"
                self.to_sink += turn.data
            elif isinstance(turn, ToTarget | Relay | Answer):
                self.to_source += turn.data


def play(
    rng: random.Random, *, takes: bool, pieces: random.Random | None = None, steps: int = 80
) -> World:
    """A whole conversation."""
    world = World(rng, pieces, takes=takes)
    world.say(source=False, whole=b"\0")
    for _ in range(steps):
        if world.over:
            break
        if world.undecided and rng.random() < 0.7:
            key = world.undecided.pop()
            if rng.random() < 0.8:
                world.allowed.add(key)
                world.follow(world.conversation.release(key))
            else:
                world.follow(world.conversation.refuse(key, ("gatekeep: no",)))
            continue
        state = world.conversation._state
        right = {"record": 5, "data": 7, "tail": 5, "times": -1, "reply": -1, "stored": -1}.get(state, 0)
        if rng.random() < 0.98 and right:
            if right < 0:
                world.say(source=False, whole=rng.choice(SINK_WORDS[:4]))
            else:
                records = SOURCE_WORDS[: 4 if world.conversation._place.depth else 3]
                if world.conversation._times is None and rng.random() < 0.2:
                    records = SOURCE_WORDS[4:5]
                words = {"record": records, "data": (b"abc", b"ab"), "tail": (b"\0", b"\1no\n")}
                world.say(source=True, whole=rng.choice(words[state]))
        elif rng.random() < 0.3:
            source = rng.random() < 0.5
            world.say(source=source, whole=rng.choice(SOURCE_WORDS if source else SINK_WORDS))
    return world


def end(world: World) -> None:
    """What was released is settled once, at the end at the latest; nothing passed without a release."""
    names = [name for name in (b" a\n", b" b\n", b" d\n") if name in world.to_sink]
    assert bool(names) <= bool(world.allowed)
    world.over = False
    world.follow(list(world.conversation.finish()))
    assert set(world.settled) == world.allowed
