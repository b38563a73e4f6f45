"""The tour's part about approvals stops where nothing waits, and where a promise is not kept."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gatekeep.demo import approval_tour, tour_steps
from gatekeep.demo.tour_steps import Sight, TourFailed


@pytest.fixture
def sight(tmp_path: Path) -> Sight:
    """A database that nothing guards: a psql that does at once what it is told."""
    psql = tmp_path / "psql"
    psql.write_text("#!/bin/sh\necho DELETE 2000\n")
    psql.chmod(0o700)
    nowhere = tmp_path / "nowhere"
    return Sight(
        host="127.0.0.1", port=1, target="orders", token_of_alice="t", token_file_of_bob=nowhere,  # noqa: S106 - no token at all
        code_secret_of_bob=nowhere, settings=nowhere, journal=nowhere, keys=nowhere, psql=psql,
    )  # fmt: skip


def test_what_runs_unasked_fails_the_tour(
    sight: Sight, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is not enough that psql was content."""
    with pytest.raises(TourFailed, match="no statement waits for approval"):
        approval_tour.take_approval_steps(sight)
    assert "   | DELETE 2000" in capsys.readouterr().out


def test_a_broken_promise_names_what_was_answered() -> None:
    """With the exit code and what was said."""
    answer = subprocess.CompletedProcess([], 3, "", "the gateway is not reached")
    with pytest.raises(TourFailed, match="expected that it counts") as failure:
        tour_steps.expect(answer.returncode == 0, "it counts", answer)
    assert "exit 3" in failure.value.cause
    assert "not reached" in failure.value.cause
