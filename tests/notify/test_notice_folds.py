"""A flood of notices is few lines, each with its count, and what finds no room is counted too."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from support.notice_samples import FOR_DBA, WRITES, notice

from gatekeep.notify.notice_folds import Batch, Folded, NoticeFolds, Pace

S = 1_000_000_000
MINUTE, TEN_MINUTES = 60 * S, 600 * S


def told(batch: Batch | None) -> list[tuple[str, dict[str, int]]]:
    """Principal and counts of each line."""
    assert batch is not None
    return [(one.newest.principal, dict(one.counts)) for one in batch.folds]


def test_the_first_is_told_at_once_and_what_follows_is_one_line_with_a_count() -> None:
    """Ten minutes later; by what it came to, with the newest of them."""
    folds = NoticeFolds()
    folds.note(notice(), 0)
    assert told(folds.due(0)) == [("alice", {"released": 1})]
    for n in range(1000):
        folds.note(notice(n=n, came_to="refused" if n % 10 else "released"), S)
    assert folds.due(9 * MINUTE) is None
    batch = folds.due(TEN_MINUTES)
    assert told(batch) == [("alice", {"released": 100, "refused": 900})]
    assert batch is not None
    assert batch.folds[0].newest.n == 999


def test_what_is_over_is_forgotten_and_the_next_is_told_at_once_again() -> None:
    """Ten quiet minutes end a fold."""
    folds = NoticeFolds()
    folds.note(notice(), 0)
    folds.due(0)
    assert folds.busy
    assert folds.due(TEN_MINUTES) is None
    assert not folds.busy
    folds.note(notice(), TEN_MINUTES)
    assert told(folds.due(TEN_MINUTES)) == [("alice", {"released": 1})]


def test_other_rules_persons_and_targets_are_lines_of_their_own() -> None:
    """Whoever else does something is not hidden behind who does it all the time."""
    folds = NoticeFolds()
    for one in (notice(), notice(FOR_DBA), notice(principal="bob"), notice(target="other")):
        folds.note(one, 0)
    assert len(told(folds.due(0))) == 4


def test_batches_lie_a_minute_apart_and_hold_ten_lines_at_most() -> None:
    """25 persons at once take three minutes, and nobody is told of twice."""
    folds = NoticeFolds()
    for number in range(25):
        folds.note(notice(principal=f"p{number}"), 0)
    first = told(folds.due(0))
    assert folds.due(MINUTE - 1) is None
    second, third = told(folds.due(MINUTE)), told(folds.due(2 * MINUTE))
    assert [len(first), len(second), len(third)] == [10, 10, 5]
    assert len({name for name, _ in (*first, *second, *third)}) == 25
    assert folds.due(3 * MINUTE) is None


def test_who_waits_longest_is_told_first() -> None:
    """Those who go on and on do not keep the others untold."""
    folds = NoticeFolds(Pace(most=200))
    for number in range(150):
        folds.note(notice(principal=f"p{number}"), 0)
    seen: set[str] = set()
    for minute in range(15):
        seen |= {name for name, _ in told(folds.due(minute * MINUTE))}
        for number in range(150):
            folds.note(notice(principal=f"p{number}"), minute * MINUTE + 1)
    assert len(seen) == 150


def test_what_finds_no_room_is_counted() -> None:
    """201 folds at once: the batch says that one is missing."""
    folds = NoticeFolds()
    for number in range(203):
        folds.note(notice(principal=f"p{number}"), 0)
    batch = folds.due(0)
    assert batch is not None
    assert batch.left_out == 3


def test_what_is_quiet_is_not_told_and_counts_as_told() -> None:
    """A muted rule uses up nobody's room."""
    folds = NoticeFolds()
    folds.note(notice(), 0)
    folds.note(notice(FOR_DBA), 0)
    counted: list[int] = []

    def quiet(one: Folded) -> bool:
        counted.append(one.count)
        return one.newest.rule is WRITES

    batch = folds.due(0, quiet)
    assert batch is not None
    assert [one.newest.rule for one in batch.folds] == [FOR_DBA]
    assert counted == [1, 1]


def test_at_the_end_all_is_told_or_counted() -> None:
    """Also what was folded a second ago."""
    folds = NoticeFolds()
    for number in range(12):
        folds.note(notice(principal=f"p{number}"), 0)
        folds.note(notice(principal=f"p{number}"), 0)
    batch = folds.last()
    assert batch is not None
    assert (len(batch.folds), batch.left_out) == (10, 4)
    assert not folds.busy
    assert folds.last() is None


@given(
    st.lists(
        st.tuples(
            st.integers(0, 30), st.sampled_from(["released", "refused", "asked"]), st.integers(0, 700)
        ),
        max_size=200,
    )
)
def test_every_notice_is_told_of_once(drawn: list[tuple[int, str, int]]) -> None:
    """In a line's count, or among those that found no room: none is lost, none told twice."""
    folds, now, counted = NoticeFolds(Pace(most=12, at_once=3)), 0, 0
    for who, came_to, seconds in drawn:
        folds.note(notice(principal=f"p{who}", came_to=came_to), now)
        now += seconds * S
        counted += _count(folds.due(now))
    assert counted + _count(folds.last()) == len(drawn)


def _count(batch: Batch | None) -> int:
    return batch.left_out + sum(one.count for one in batch.folds) if batch is not None else 0
