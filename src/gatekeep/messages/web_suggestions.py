"""The words that only the pages of suggestions have: headings, labels, buttons, what a form lacks.

What a suggestion is and did is worded in `suggestions`, for every door alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gatekeep.messages.web import NOTHING_CHANGED, Trouble

NOT_SET_UP: Final = Trouble(
    "Suggestions are not set up here", NOTHING_CHANGED, "Ask the operators of the gateway."
)
NAME_OF_LIST: Final[Mapping[str, str]] = {
    "proposed": "Proposed", "adopted": "Adopted", "over": "Put off, or over",
}  # fmt: skip
LISTS: Final = "Which suggestions"
HINT: Final = (
    "What people decided so far proposes changes of the policy. Nothing changes before somebody accepts it."
)
EMPTY: Final[Mapping[str, str]] = {
    "proposed": "Nothing is proposed now. The loop looks by itself, each hour unless set otherwise.",
    "adopted": "Nothing was adopted yet.",
    "over": "Nothing was put off, dismissed or taken back yet.",
}
CAPTIONS: Final[Mapping[str, str]] = {
    "proposed": "Proposed, the most saving first", "adopted": "Adopted, the most saving first",
    "over": "Put off, dismissed, taken back or ended",
}  # fmt: skip
COLUMNS: Final = ("Suggestion", "What", "State", "Saves a week", "Asked, denied", "People", "Accepted by")
SAMPLES: Final = "Was it right that this passed?"
SAMPLES_HINT: Final = (
    "Adopted rules let these pass without asking. One that was wrong takes its rule back, at once."
)
NO_SAMPLES: Final = "Nothing is to be looked at."
CAPTION_OF_SAMPLES: Final = "What passed, oldest first"
COLUMNS_OF_SAMPLES: Final = ("Sample", "What passed", "Who and where", "Your answer")
RIGHT: Final = "Right"
WRONG: Final = "Wrong"
SAMPLE_REASON: Final = "Reason (needed if it was wrong)"
OWN_SAMPLE: Final = "This was yours: somebody else answers."
EVENT: Final = "Event"

ABOUT: Final = "Whom and what it is about"
EVIDENCE: Final = "Evidence"
DAYS: Final = "Days with an approval"
ALL_EVENTS: Final = "Events, by number (gatekeep show NUMBER)"
NO_EVENTS: Final = "None is kept."
NOT_COUNTED: Final = "Not counted"
WIDER: Final = "Wider forms that are not proposed"
COUNTER_EXAMPLES: Final = "Counter-examples, by event"
CHANGE: Final = "Change of the policy"
ADDED: Final = "Lines marked + are added, those marked - go; the others stay."
HISTORY: Final = "The same as decisions"
CAPTION_OF_MATRIX: Final = "Actions of the past, decided today and with this change"
MATRIX: Final = ("Today", "With this change", "Actions", "Held out")
ALSO: Final = "Would also, for example"
PER_PERSON: Final = "What it means for each person"
CHECKS: Final = "Checks"
NO_CHECKS: Final = "Nothing had to be checked."
PATH: Final = "What happens after acceptance"
EFFECT: Final = "Effect"
DECIDE: Final = "Decide"
STANDING: Final = "Where it stands"
ACCEPTED_BY: Final = "Accepted so far"
FORM: Final = "Which form"
AS_PROPOSED: Final = "As proposed"
NARROWER: Final = "The narrower form"
NARROWER_RULE: Final = "The rule of the narrower form"
REASON: Final = "Your reason (it is kept with it)"
ACCEPT: Final = "Accept and let its trial begin"
ACCEPT_ADVICE: Final = "Accept as advice"
ACCEPT_MUTE: Final = "Accept and tell of it once a week"
ACCEPT_TOO: Final = "Accept; somebody else has to, too"
DISMISS: Final = "Dismiss until its evidence has doubled"
SNOOZE: Final = "Put off"
SNOOZE_FOR: Final = "For how long"
TAKE_BACK: Final = "Return to the version before"
STEP_UP: Final = "It is still you"
STEP_UP_HINT: Final = "Each code counts once: if you just used one, wait for the next."
MAY_NOT: Final = "You may look at this, and not decide it: that takes the right suggestion.accept."
ACCEPTED_BEFORE: Final = "You have accepted it. Somebody else has to, too."
NOT_WHOLE: Final = "The change is too long to be shown whole, so it cannot be accepted here. It can be dismissed."
GAINS_MOST: Final = "You have the most of these in the evidence, so others must accept it."
NEEDS_CODES: Final = "This takes a code from an authenticator, and you have none."
VIEW_RECORDED: Final = "That you looked at this is recorded."
NEEDS_REASON: Final = "Not done: say why. Nothing changed."
REASON_TOO_LONG: Final = "A reason has at most 1,000 characters. Nothing changed."
OTHER_DIGEST: Final = (
    "Not accepted: it, or what speaks against it, has changed since the page was shown. Look again. "
    "Nothing changed."
)
PROOF_REFUSED: Final = (
    "Not done: the password or the code did not count, or was tried too often. A code counts "
    "once; wait for the next one. Nothing changed."
)
PROOF_BUSY: Final = "Not done: too many people sign in at this moment. Nothing changed."


def days(count: int) -> str:
    """So many days."""
    return f"{count} days"


def strip(on: int, of: int) -> str:
    """What the strip of days shows, in words."""
    return f"approved on {on} of {of} days"
