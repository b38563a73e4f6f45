"""All suggestions that the evidence carries, the best first; each says what it stands on.

Pure: the same evidence, rules and time give the same suggestions. Their life is for others.
"""

from __future__ import annotations

from gatekeep.domain.suggestions import Suggestion
from gatekeep.feedback.deeds import Evidence
from gatekeep.feedback.denials import denials
from gatekeep.feedback.gating import gates
from gatekeep.feedback.ground import Ground
from gatekeep.feedback.relaxing import relaxations
from gatekeep.feedback.safety import checks_of, proposable
from gatekeep.feedback.upkeep import mute_of, upkeep
from gatekeep.policy.rules import PolicyVersion

__all__ = ["candidates", "checks_of", "proposable"]


def candidates(evidence: Evidence, version: PolicyVersion, now_us: int) -> list[Suggestion]:
    """Every suggestion, the proposable ones first, then by score; none if the journal is broken.

    Those that are not `proposable` say in their checks what they lack.
    """
    if not evidence.verified:
        return []
    ground = Ground(evidence, version, now_us)
    relaxed = relaxations(ground)
    muted = [one for made in relaxed if (one := mute_of(ground, made)) is not None]
    found = [*relaxed, *muted, *gates(ground), *denials(ground), *upkeep(ground)]
    return sorted(found, key=lambda one: (not proposable(one), -one.score, one.id))
