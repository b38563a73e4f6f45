"""The fuzz targets in small size; `make fuzz` feeds them ten million inputs."""

from __future__ import annotations

import subprocess
import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz.draw import Draw
from fuzz.run import BATCH, KEPT, _work, inputs
from fuzz.targets import TARGETS

_SEED = 0
_SMALL = {"conversation": 1, "files": 1, "replies": 1, "sql": 1}
"""Batches for the slow ones; the others have three."""


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_random_choices_break_no_claim(name: str) -> None:
    """The same inputs each time, so that what is found here is found again."""
    target = TARGETS[name]
    with target.around():
        for batch in range(_SMALL.get(name, 3)):
            for data in inputs(name, _SEED, batch, target.longest):
                try:
                    target.check(Draw(data))
                except AssertionError as broken:
                    raise AssertionError(f"broken by {data.hex()}") from broken


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_searched_choices_break_no_claim(name: str) -> None:
    """Hypothesis tries its own, and shows the shortest one that breaks a claim."""
    target = TARGETS[name]

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.binary(max_size=target.longest))
    def search(data: bytes) -> None:
        target.check(Draw(data))

    with target.around():
        search()


def test_pieces_are_the_whole_and_damage_is_not() -> None:
    """What cuts and damages the bytes of every target does so."""
    data = bytes(range(1, 60))
    for seed in range(200):
        assert b"".join(Draw(bytes([seed, 7, 3, seed])).pieces(data)) == data
    damaged = [Draw(bytes([5, way, 1, 200])).damaged(data) for way in range(5)]
    assert all(one != data for one in damaged)


def test_the_runner_counts_and_goes_on(tmp_path: Path) -> None:
    """Its sum is what it ran, over two runs of which the second resumes the first."""
    run = [sys.executable, str(Path(__file__).with_name("run.py")), "--guided", "0", "--jobs", "1"]
    for more, told in (([], "2,000 inputs"), (["--resume"], "3,000 inputs")):
        done = subprocess.run(
            [*run, "--targets", "startup", "--inputs", told.split()[0].replace(",", ""), *more],
            cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert told in done.stdout


def test_a_broken_claim_is_told_with_its_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The worker stops there, and says how to see it again."""

    def refuse(draw: Draw) -> None:
        assert draw.byte() != 7, "seven"

    monkeypatch.chdir(tmp_path)
    KEPT.mkdir(parents=True)
    monkeypatch.setitem(TARGETS, "startup", replace(TARGETS["startup"], check=refuse))
    asked = Namespace(worker="random", targets=["startup"], inputs=BATCH, seed=1, resume=False, careful=False)
    with pytest.raises(AssertionError, match="seven"):
        _work(asked)
    assert "--targets startup --replay 07" in capsys.readouterr().out
