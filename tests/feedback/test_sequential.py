"""The two tests over samples, against values worked out by hand and by simulation."""

from __future__ import annotations

import math
import random

import pytest

from gatekeep.feedback.sequential import Finding, bound, drifts, finding, overuse, ratio


def test_the_bound_is_three_by_n() -> None:
    """41 approvals without a denial rule out more than 7.3 %; few rule out no less than a half."""
    assert bound(41) == pytest.approx(3 / 41)
    assert bound(3) == 0.5


def test_the_ratio_is_wald_s() -> None:
    """Λ after 10 agreed and 1 denied over evidence of 30."""
    p1, p0 = 0.1, 0.01
    expected = math.log(p1 / p0) + 10 * math.log((1 - p1) / (1 - p0))
    assert ratio(10, 1, 30) == pytest.approx(expected)


def test_agreement_decides_for_it_and_denials_against() -> None:
    """Few answers decide nothing; two denials do, at once; enough agreement does."""
    assert finding(0, 0, 30) is Finding.OPEN
    assert finding(5, 0, 30) is Finding.OPEN
    assert finding(0, 2, 30) is Finding.AGAINST
    assert finding(30, 0, 30) is Finding.FOR


def test_its_errors_are_as_promised() -> None:
    """Of 400 good rules at most about 5 % are called bad, of 400 bad ones at most about 10 % good."""
    draw = random.Random(7)

    def decided(rate: float) -> Finding:
        agreed = denied = 0
        while (found := finding(agreed, denied, 30)) is Finding.OPEN:
            if draw.random() < rate:
                denied += 1
            else:
                agreed += 1
        return found

    good = [decided(0.01) for _ in range(400)]
    bad = [decided(0.1) for _ in range(400)]
    assert good.count(Finding.AGAINST) <= 0.08 * 400
    assert bad.count(Finding.FOR) <= 0.14 * 400


def test_use_as_forecast_does_not_drift_and_ten_times_as_much_does() -> None:
    """A year of three a week is no drift; thirty a week are, in the first week."""
    assert overuse([3] * 52, 3.4) < 5
    assert not drifts([0, 9, 3, 2, 4], 3.4)
    assert drifts([30], 3.4)
