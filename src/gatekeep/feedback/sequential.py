"""Two tests that look at each sample as it comes: is it denied too often, is it used otherwise.

Formulas over numbers; what follows from them is `monitor`'s.

SPRT (A. Wald, "Sequential Tests of Statistical Hypotheses", Annals of Mathematical Statistics 16,
1945): with m answers of which d are denials, Λ = d·ln(p1/p0) + (m-d)·ln((1-p1)/(1-p0)); against at
Λ ≥ ln((1-b)/a), for it at Λ ≤ ln(b/(1-a)), with a = 0.05 and b = 0.10. p1 = 3/n is what evidence of
n approvals and no denial still allows at 95 % (the rule of three: J. Hanley and A. Lippman-Hand,
JAMA 249, 1983), p0 a tenth.

CUSUM (E. Page, "Continuous Inspection Schemes", Biometrika 41, 1954; for counts J. Lucas,
"Counted Data CUSUM's", Technometrics 27, 1985): S = max(0, S + x - k) over weekly counts x, with
k = (λ1-λ0)/(ln λ1 - ln λ0) between the forecast λ0 and λ1 = 2·λ0 + 1; drift at S ≥ 5.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable
from typing import Final

_ALPHA: Final = 0.05
_BETA: Final = 0.10
_LEAST_N: Final = 6
"""Of less evidence p1 would be above a half."""
_TENTH: Final = 0.1
_AGAINST: Final = math.log((1 - _BETA) / _ALPHA)
_FOR: Final = math.log(_BETA / (1 - _ALPHA))
_DRIFT: Final = 5.0
_LEAST_USUAL: Final = 0.1
"""Matches a week; a forecast of none has no logarithm."""


class Finding(enum.StrEnum):
    """What the samples say so far."""

    FOR = "for"
    AGAINST = "against"
    OPEN = "open"


def bound(asked: int) -> float:
    """The rate of denials that this much evidence cannot rule out: 3/n, at most a half."""
    return 3.0 / max(asked, _LEAST_N)


def ratio(agreed: float, denied: float, asked: int) -> float:
    """Λ after these answers; half denials count half."""
    worse = bound(asked)
    better = worse * _TENTH
    return denied * math.log(worse / better) + agreed * math.log((1 - worse) / (1 - better))


def finding(agreed: float, denied: float, asked: int) -> Finding:
    """Whether it is decided, and how."""
    said = ratio(agreed, denied, asked)
    if said >= _AGAINST:
        return Finding.AGAINST
    return Finding.FOR if said <= _FOR else Finding.OPEN


def overuse(weekly: Iterable[int], forecast: float) -> float:
    """The highest S over these weeks."""
    usual = max(forecast, _LEAST_USUAL)
    more = 2 * usual + 1
    allowance = (more - usual) / (math.log(more) - math.log(usual))
    level = highest = 0.0
    for count in weekly:
        level = max(0.0, level + count - allowance)
        highest = max(highest, level)
    return highest


def drifts(weekly: Iterable[int], forecast: float) -> bool:
    """Whether it is used clearly more than was forecast."""
    return overuse(weekly, forecast) >= _DRIFT
