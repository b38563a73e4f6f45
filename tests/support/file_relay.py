"""A small gateway for one file conversation: standard input and output are the client, a child the target.

It stands where `sftp -D`, `sftp -S` and `scp -S` want a program. Policy is one expression in Python over
`action`, the story of what happened goes to a file, one JSON object a line.
"""

from __future__ import annotations

import json
import os
import selectors
import shlex
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gatekeep.domain.commands import CommandFacts, SshAction
from gatekeep.protocols.ssh.files.file_turns import (
    Answer,
    Note,
    Relay,
    Settled,
    Submit,
    ToTarget,
    Turn,
    Violation,
)
from gatekeep.protocols.ssh.files.scp import ScpConversation
from gatekeep.protocols.ssh.files.scp_records import read_command
from gatekeep.protocols.ssh.files.sftp import SftpConversation

SFTP_SERVER = "/usr/lib/openssh/sftp-server"


class FileRelay:
    """Moves bytes between two pairs of pipes through a conversation, and tells its story."""

    def __init__(self, conversation: Any, rule: str, story: Path) -> None:
        self.conversation = conversation
        self._rule = compile(rule or "True", "rule", "eval")
        self._story = story.open("a")
        self.out = {"client": b"", "target": b""}
        self.over = False

    def tell(self, **what: Any) -> None:
        """One line of the story."""
        print(json.dumps(what, default=sorted), file=self._story, flush=True)

    def close(self) -> None:
        """The story is over."""
        self._story.close()

    def perform(self, turns: Iterable[Turn]) -> None:
        """Do all turns, and those that follow from decisions."""
        for turn in turns:
            if isinstance(turn, ToTarget):
                self.out["target"] += turn.data
            elif isinstance(turn, Answer | Relay):
                self.out["client"] += turn.data
            elif isinstance(turn, Submit):
                self._decide(turn)
            elif isinstance(turn, Settled):
                self.tell(settled=turn.key, outcome=turn.outcome._asdict(), **turn.details)
            elif isinstance(turn, Note):
                self.tell(note=turn.kind.value, **turn.payload)
            elif isinstance(turn, Violation):
                self.tell(violation=turn.what, whose=turn.whose)
                self.over = True

    def _decide(self, turn: Submit) -> None:
        allowed = bool(eval(self._rule, {"action": turn.action}))  # noqa: S307 - the test's own rule
        self.tell(submitted=turn.key, allowed=allowed, **told(turn.action))
        if allowed:
            self.perform(self.conversation.release(turn.key))
        else:
            words = (f"gatekeep: policy does not allow {turn.action.text}", "gatekeep: rule x")
            self.perform(self.conversation.refuse(turn.key, words))

    def run(self, child: subprocess.Popen[bytes], client: tuple[int, int] = (0, 1)) -> int:
        """Until both sides are done."""
        assert child.stdin
        assert child.stdout
        ends = {"client": client[1], "target": child.stdin.fileno()}
        waits = selectors.DefaultSelector()
        waits.register(client[0], selectors.EVENT_READ, "client")
        waits.register(child.stdout.fileno(), selectors.EVENT_READ, "target")
        left = False
        while not self.over:
            if left and self.conversation.idle and not child.stdin.closed:
                child.stdin.close()
            for key, _ in waits.select():
                data = os.read(key.fd, 1 << 16)
                if not data:
                    waits.unregister(key.fd)
                    left = left or key.data == "client"
                    self.over = key.data == "target"
                    continue
                take = getattr(self.conversation, f"receive_{key.data}")
                self.perform(take(data))
                self._flush(ends)
        self.perform(self.conversation.finish())
        self._flush(ends)
        if not child.stdin.closed:
            child.stdin.close()
        self.tell(ended=True)
        return child.wait(20)

    def _flush(self, ends: dict[str, int]) -> None:
        for side, descriptor in ends.items():
            data, self.out[side] = self.out[side], b""
            view = memoryview(data)
            try:
                while view:
                    view = view[os.write(descriptor, view) :]
            except OSError:
                self.over = True


def told(action: SshAction) -> dict[str, Any]:
    """An action for the story."""
    facts = [fact for fact in action.facts if isinstance(fact, CommandFacts)]
    return {
        "operation": action.details.get("operation"),
        "text": action.text,
        "actions": [fact.action for fact in facts],
        "paths": sorted(set().union(*(fact.paths for fact in facts))),
        "tags": sorted(action.tags.union(*(fact.tags for fact in facts))),
        "complete": all(fact.complete for fact in facts),
    }


def write_program(place: Path, rule: str, story: Path, home: Path) -> Path:
    """A program that stands before a target: for `sftp -D`, and for `-S` of sftp and scp."""
    words = [sys.executable, str(Path(__file__)), rule, str(story)]
    program = place / "relay"
    paths = os.pathsep.join(path for path in sys.path if path)
    program.write_text(
        f"#!/bin/sh\ncd {shlex.quote(str(home))} || exit 1\n"
        f'PYTHONPATH={shlex.quote(paths)} exec {shlex.join(words)} "$@"\n'
    )
    program.chmod(0o700)
    return program


def read_story(story: Path) -> list[dict[str, Any]]:
    """What happened, in order."""
    return [json.loads(line) for line in story.read_text().splitlines()]


def main() -> int:
    """`RULE STORY [what ssh is called with]`: the last word is the command, or nothing for sftp."""
    rule, story = sys.argv[1], Path(sys.argv[2])
    command = sys.argv[-1] if len(sys.argv) > 3 else "sftp"
    if command == "sftp":
        with subprocess.Popen([SFTP_SERVER], stdin=-1, stdout=-1, bufsize=0) as child:
            return FileRelay(SftpConversation(), rule, story).run(child)
    asked = read_command(shlex.split(command))
    if asked is None:
        return 126
    with subprocess.Popen(["/bin/sh", "-c", command], stdin=-1, stdout=-1, bufsize=0) as child:
        home = str(Path.cwd())
        return FileRelay(ScpConversation(asked, home=home), rule, story).run(child)


if __name__ == "__main__":
    sys.exit(main())
