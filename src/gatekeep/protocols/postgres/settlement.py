"""What became of executions: counts rows and bytes, and words the outcome when the end is known.

Told by `replies` what happened; reads no bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from gatekeep.domain.outcomes import Outcome, OutcomeKind
from gatekeep.protocols.postgres import grammar as g
from gatekeep.protocols.postgres.messages import TargetError
from gatekeep.protocols.postgres.statements import Statement
from gatekeep.protocols.postgres.turns import Done, Execution, Segment, Settled, TargetTurn

_MAX_TAGS: Final = 100
_MAX_TAG: Final = 128
_MAX_TEXT: Final = 2_000
_CACHED_OUTCOMES: Final = 256
_CANCELED: Final = "57014"


class Settlement:
    """The account of the execution that is being answered, and of those that wait for Ready.

    `rows` counts its DataRows; `mark` is where, in the target's bytes, its answer begins;
    `failure` is the last error since a ReadyForQuery; `parted` ended in a part of a segment whose
    Sync is still to come; `last_tag` is that of the execution that ended last.
    """

    __slots__ = ("_outcomes", "_tags", "failure", "last_tag", "mark", "parted", "rows", "skipped")

    def __init__(self) -> None:
        self.rows = 0
        self.mark = 0
        self.failure: TargetError | None = None
        self.skipped: list[Execution] = []
        self.parted: list[Done] = []
        self.last_tag = ""
        self._tags: list[str] = []
        self._outcomes: dict[tuple[str, int, int, int, str], Outcome] = {}

    def tagged(self, tag: str) -> None:
        """One statement of a Query completed."""
        self.rows += _copied(tag)
        if len(self._tags) < _MAX_TAGS:
            self._tags.append(tag[:_MAX_TAG])
        elif len(self._tags) == _MAX_TAGS:
            self._tags.append("…")

    def end(
        self,
        execution: Execution,
        tag: str | None,
        here: int,
        failure: TargetError | None = None,
    ) -> Done:
        """An execution is over at byte `here`. No tag: the tags of its Query's statements."""
        if tag is None:
            shown = "; ".join(self._tags)
        else:
            shown = tag[:_MAX_TAG]
            self.rows += _copied(tag)
        done = Done(execution, shown, self.rows, here - self.mark, failure)
        self.mark = here
        self.rows = 0
        self.last_tag = shown
        return done

    def ready(
        self, segment: Segment, before: str, status: str, here: int, turns: list[TargetTurn]
    ) -> None:
        """ReadyForQuery: what waited for it is settled. `before` is the status it replaces."""
        failure = self.failure
        if self.parted:
            segment.done = [*self.parted, *(segment.done or ())]
            self.parted.clear()
        if segment.codes[0] == g.QUERY or segment.codes[0] == g.CALL:
            done = self.end(segment.executions[0], None, here, failure)
            turns.append(Settled(done.execution, self.outcome(done, status)))
        if segment.done:
            if failure is not None and status == before == "I":
                _roll_back(segment.done, failure)
            for done in segment.done:
                turns.append(Settled(done.execution, self.outcome(done, status)))  # noqa: PERF401 - one as a rule
        if self.skipped:
            self._settle_skipped(status, turns)
        self.mark = here
        self.rows = 0
        self.failure = None
        if self._tags:
            self._tags.clear()

    def restart(self, status: str, here: int, turns: list[TargetTurn]) -> None:
        """A ReadyForQuery came that belongs to no segment: nothing before byte `here` counts on."""
        if self.failure is not None and status == "I":
            _roll_back(self.parted, self.failure)
        turns += [Settled(done.execution, self.outcome(done, status)) for done in self.parted]
        self.parted.clear()
        self.mark = here
        self.rows = 0
        self.failure = None

    def _settle_skipped(self, status: str, turns: list[TargetTurn]) -> None:
        skipped = Outcome(OutcomeKind.SKIPPED, status=status)
        turns += [Settled(execution, skipped) for execution in self.skipped]
        self.skipped.clear()

    def outcome(self, done: Done, status: str) -> Outcome:
        """The outcome of what ended; `status` is empty where it is not known yet."""
        failure = done.failure
        bytes_in = done.execution.bytes_in
        if failure is not None:
            kind = OutcomeKind.CANCELLED if failure.sqlstate == _CANCELED else OutcomeKind.FAILED
            return Outcome(
                kind, done.tag, done.rows, bytes_in, done.bytes_out, failure.sqlstate,
                failure.message[:_MAX_TEXT], status=status,
            )  # fmt: skip
        # Answers of one shape share one outcome: frozen objects are dear to make.
        key = (done.tag, done.rows, bytes_in, done.bytes_out, status)
        outcome = self._outcomes.get(key)
        if outcome is None:
            if len(self._outcomes) >= _CACHED_OUTCOMES:
                self._outcomes.clear()
            outcome = Outcome(
                OutcomeKind.DONE, done.tag, done.rows, bytes_in, done.bytes_out, status=status
            )
            self._outcomes[key] = outcome
        return outcome


def _copied(tag: str) -> int:
    """Rows of a COPY, as its tag tells them: there may be more messages than rows, or fewer."""
    return int(tag[5:]) if tag.startswith("COPY ") and tag[5:].isdecimal() else 0


def _roll_back(done: Sequence[Done], failure: TargetError) -> None:
    """An implicit transaction failed: what it did since its last COMMIT is undone."""
    for one in reversed(done):
        if one.tag in {"COMMIT", "ROLLBACK"}:
            return
        if one.failure is None:
            text = f"rolled back with its pipeline: {failure.message}"
            one.failure = TargetError(failure.severity, failure.sqlstate, text)


def ending(segment: Segment, at: int) -> Iterator[Execution]:
    """The executions whose end is the reply to a step from `at` on."""
    if segment.kind == "probe":
        return  # a question of ours
    for position in range(at, len(segment.codes)):
        code = segment.codes[position]
        if code in {g.EXECUTE, g.QUERY, g.CALL} or (
            code == g.BIND and segment.owners[position].bind_only
        ):
            yield segment.owners[position]


def failing(segment: Segment) -> Execution | None:
    """Whose failure an error at the present step is."""
    code, owner = segment.codes[segment.at], segment.owners[segment.at]
    if code in {g.EXECUTE, g.BIND}:
        return owner  # type: ignore[no-any-return] # owners of these steps are executions
    following = next(ending(segment, segment.at), None)
    if code == g.PARSE and isinstance(owner, Statement) and following is not None:
        return following if following.statement_name == owner.name else None
    return None
