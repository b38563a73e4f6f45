"""A command line as facts: what it runs, with which words, on what, and how surely that is known.

The public face of this package for command lines. The text is data from outside: whatever cannot
be read for sure is a fact `ssh.opaque`, and nothing here raises for any text.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final

from gatekeep.domain.commands import EXEC, LINE, OPAQUE, Assurance, CommandFacts, SshAction
from gatekeep.protocols.ssh.commands.eating import may_eat_itself
from gatekeep.protocols.ssh.commands.grammar import read_script
from gatekeep.protocols.ssh.commands.judging import Setting, facts_of
from gatekeep.protocols.ssh.commands.script import Script, SimpleCommand
from gatekeep.protocols.ssh.commands.secrets import redact_command
from gatekeep.protocols.ssh.commands.typing_ahead import is_complete, recalls_history
from gatekeep.protocols.ssh.commands.unwrapping import READ_LIKE_BASH, Unwrapped, program_of, unwrap
from gatekeep.protocols.ssh.commands.words import Word

MAX_DEPTH: Final = 12
MAX_FACTS: Final = 5_000
_ONLY_POSIX: Final = frozenset({"sh", "dash", "ash"})


@dataclass(frozen=True, slots=True)
class CommandReading:
    """What is known of a command line.

    `facts` has one entry for each simple command, outer ones before those that they run, and one
    of `ssh.opaque` where something could not be read. `tags` are those of all facts. `resolved` is
    false where it is not sure which programs run; `complete_input` while the shell would wait for
    more of it. `redacted` is the text without secrets.
    """

    facts: tuple[CommandFacts, ...]
    tags: frozenset[str]
    resolved: bool
    complete_input: bool
    redacted: str


def read_command(
    text: str,
    *,
    action: str = EXEC,
    login_shell: str = "bash",
    terminal: bool | None = None,
    from_input: bool = False,
) -> CommandReading:
    """Read a line that `login_shell` will be given; never raises.

    `terminal`: its output goes to a terminal, where some programs open a pager; without, a line
    typed into a shell is taken to, a command of its own not. `from_input`: the shell reads the text
    from its standard input, while it runs.
    """
    setting = Setting(action, action == LINE if terminal is None else terminal)
    reader = _Reader(setting)
    shell = login_shell.rpartition("/")[2].lower()
    reader.read(text, shell, from_input=from_input)
    extra: set[str] = set()
    if action == LINE and recalls_history(text):
        extra.add("history_expansion")
        reader.unresolved()
    facts = reader.facts()
    tags = frozenset(tag for one in facts for tag in one.tags) | extra
    script = reader.first
    complete = is_complete(text, broken=script is None or (script.broken and script.ends_early))
    return CommandReading(
        facts,
        tags - {"reads_only"} if any("reads_only" not in one.tags for one in facts) else tags,
        reader.resolved,
        complete,
        redact_command(text.encode("utf-8", "replace").decode()),
    )


def command_action(
    text: str,
    *,
    action: str = EXEC,
    login_shell: str = "bash",
    terminal: bool | None = None,
    assurance: Assurance = Assurance.EXACT,
) -> SshAction:
    """The action that a command line is; its mode is `line` for a typed line, else `exec`."""
    reading = read_command(text, action=action, login_shell=login_shell, terminal=terminal)
    known = frozenset(tag for one in reading.facts for tag in one.tags)
    return SshAction(
        "line" if action == LINE else "exec",
        text,
        reading.facts,
        redacted=reading.redacted,
        digest=hashlib.sha256(_exact(text)).hexdigest(),
        assurance=assurance,
        resolved=reading.resolved,
        tags=reading.tags - known,
    )


def _exact(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # no bytes decode to this
        return text.encode("utf-8", "surrogatepass")


@dataclass(slots=True)
class _Job:
    """Something still to be looked at: a text for a shell, or a command."""

    depth: int
    text: str = ""
    shell: str = ""
    command: SimpleCommand | None = None
    complete: bool = True
    tags: frozenset[str] = frozenset()
    from_input: bool = False


@dataclass(slots=True)
class _Reader:
    """Goes through texts and commands, outermost first, without recursion."""

    setting: Setting
    first: Script | None = None
    resolved: bool = True
    _found: dict[CommandFacts, None] = field(default_factory=dict)
    _waiting: list[_Job] = field(default_factory=list)
    _opaque: bool = False

    def read(self, text: str, shell: str, *, from_input: bool) -> None:
        """Everything that a text runs."""
        self._waiting.append(_Job(0, text, shell, from_input=from_input))
        while self._waiting:
            if len(self._found) > MAX_FACTS:
                self.unresolved()
                return
            job = self._waiting.pop()
            if job.command is None:
                self._text(job)
            else:
                self._command(job, job.command)

    def unresolved(self) -> None:
        """Something of it could not be read for sure."""
        self.resolved = False
        self._opaque = True

    def facts(self) -> tuple[CommandFacts, ...]:
        """What was found, each once."""
        found = list(self._found)
        if self._opaque or not found:
            opaque = CommandFacts(OPAQUE, complete=False)
            if opaque not in self._found:
                found.append(opaque)
        return tuple(found)

    def _text(self, job: _Job) -> None:
        if job.depth > MAX_DEPTH:
            self.unresolved()
            return
        script = read_script(job.text)
        if job.depth == 0:
            self.first = script
        if script is None or script.broken or script.doubtful:
            self.unresolved()
        if job.shell not in READ_LIKE_BASH or (script and script.bash and job.shell in _ONLY_POSIX):
            self.unresolved()
        if script is None:
            return
        if job.from_input and may_eat_itself(script):
            self.unresolved()
        if not script.commands and not script.broken and job.text.strip():
            self._nothing_runs(job)
        self.setting.learn(script)
        if self.setting.renames:
            self.resolved = False
        self._waiting.extend(
            _Job(job.depth + 1, command=one, complete=job.complete, tags=job.tags)
            for one in reversed(script.commands)
        )

    def _nothing_runs(self, job: _Job) -> None:
        """A text of comments, or of definitions alone."""
        self._add(CommandFacts(self.setting.action, tags=frozenset({"reads_only"}) | job.tags))

    def _command(self, job: _Job, command: SimpleCommand) -> None:
        words = command.words
        inside = self._inside(words)
        facts, sure = facts_of(command, inside, self.setting)
        if not sure:
            self.resolved = False
        tags = facts.tags | job.tags
        if not job.complete:
            tags -= {"reads_only"}
        self._add(
            CommandFacts(
                facts.action, facts.program, facts.argv, facts.flags, facts.paths, tags,
                facts.complete and job.complete,
            )
        )  # fmt: skip
        if inside is not None:
            self._enter(job, command, inside)

    def _inside(self, words: list[Word]) -> Unwrapped | None:
        if not words or not words[0].literal:
            return None
        return unwrap(program_of(words[0]), words)

    def _enter(self, job: _Job, command: SimpleCommand, inside: Unwrapped) -> None:
        """Queue what a wrapper runs, and what a shell reads from its input where that is written."""
        jobs = []
        for one in inside.inner:
            complete = one.complete and job.complete
            if one.text is None:
                inner = SimpleCommand(one.words, script=command.script, piped=command.piped)
                jobs.append(_Job(job.depth + 1, command=inner, complete=complete, tags=job.tags | one.tags))
            else:
                if not one.text.literal:
                    self.unresolved()
                text = one.text.value.replace("\0", '"$_"')
                jobs.append(_Job(job.depth + 1, text, one.shell, None, complete, job.tags | one.tags))
        shell = program_of(command.words[0])
        if inside.alone and command.script is not None and shell in READ_LIKE_BASH:
            if not command.script.literal:
                self.unresolved()
            text = command.script.value.replace("\0", '"$_"')
            jobs.append(_Job(job.depth + 1, text, shell, from_input=True))
        if inside.unclear:
            self.resolved = False
        if jobs and job.depth >= MAX_DEPTH:
            self.unresolved()
            jobs = []
        self._waiting.extend(reversed(jobs))

    def _add(self, facts: CommandFacts) -> None:
        self._found.setdefault(facts)
