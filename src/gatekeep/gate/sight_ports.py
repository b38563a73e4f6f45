"""The port of sights: what an approver is shown of a held statement beside its own text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from gatekeep.domain.actions import SqlAction
from gatekeep.domain.sessions import Session, SessionVector


@dataclass(frozen=True, slots=True)
class Standing:
    """How a session stands while one of its statements is held, as far as its sight needs it.

    `vector` is how it reads SQL now, None where that is not known. `open_changes`: its open
    transaction may hold changes of the schema, or other effects that no look-up can see.
    `target_pid` is its process on the target, 0 where it is not known. `plan` is the EXPLAIN that
    is proven to run reviewed code only, as the catalogue of this `epoch` stood, and empty where
    `unproven` says why there is none. `generic`: values are bound, which the plan leaves out;
    `plan` then is a PREPARE of `gk_sight`. `table` is the one table that the statement names.
    """

    vector: SessionVector | None = None
    open_changes: bool = True
    target_pid: int = 0
    plan: str = ""
    unproven: str = ""
    generic: bool = False
    epoch: str = ""
    table: str = ""


class Sights(Protocol):
    """What a held statement would touch, found out for its approver."""

    async def look(
        self, session: Session, action: SqlAction, standing: Standing
    ) -> Mapping[str, object]:
        """Look with the session's own account, in 3 s at most; never raises.

        Runs no code but what is reviewed: a plan is asked for only where `standing` holds one.
        The answer is plain JSON values; its keys are always these, None where nothing is known:

        - `verb`, `table`: what is done to which table (canonical; empty: none, or several);
        - `rows_estimate`: rows that the target expects to be touched or given;
        - `rows_total`, `bytes_total`: of the table with its partitions, as last counted there;
        - `analysed`: whether the target ever counted it; false: the estimate is a guess;
        - `indexes`: the names of its indexes, at most 20;
        - `index_used`: the index that finds the rows, empty where the whole table is read;
        - `no_estimate`: why `rows_estimate` is None, in words; else empty;
        - `locks_held`, `locks_wanted`: `{"count": n, "tables": [{"table", "mode"}]}`, the tables
          that the session's open transaction has locked, and those that the statement locks, each
          with its strongest mode; strongest first, at most 20 of them;
        - `blocked_by`: who holds or awaits a lock on these tables that the statement conflicts
          with: `[{"table", "mode", "pid", "account", "application", "waiting"}]`, at most 20;
        - `taken_us`: how long it took, microseconds.
        """
