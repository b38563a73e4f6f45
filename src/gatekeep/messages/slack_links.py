"""The words of linking a Slack account to a principal: on the console's page, and in Slack."""

from __future__ import annotations

from typing import Final

from gatekeep.messages import printable
from gatekeep.messages.deciding import at_time

COMMAND: Final = "/gatekeep"
WORD: Final = "link"
_NAME: Final = 80

# for the principal, on the page

NO_MACHINES: Final = "A machine has no Slack account"
NO_ANSWER: Final = "Slack does not answer now, so no linking was begun; try again in a minute"
NOT_BEGUN: Final = "No linking is begun, or it was not finished in time; begin again"
WRONG_CODE: Final = "That is not the code that Slack showed"
TOO_OFTEN: Final = "Too many wrong codes: this linking is void; begin again"
TAKEN: Final = "That Slack account is linked to another principal"
NOT_LINKED: Final = "No Slack account is linked to you"


def instruction(word: str) -> str:
    """What to send in Slack, so that a code comes back there."""
    return f"Send {COMMAND} {WORD} {word}, in any channel. Only you see it."


# for the Slack account

LOCK_SCREEN: Final = "gatekeep: about linking this account"
LOOK_IN_DM: Final = "The answer comes as a direct message from gatekeep."
USAGE: Final = f"To link this account, begin in the console; it says what to send: {COMMAND} {WORD} and a word."
NO_SUCH_WORD: Final = (
    "Nobody has begun a linking with that word, or it is over. Begin in the console, under Slack. "
    "Nothing changed."
)
TOO_MANY_WORDS: Final = "Too many words were tried from this account; wait ten minutes. Nothing changed."
ACCOUNT_TAKEN: Final = "This Slack account votes as another principal already. Nothing changed."
NOT_A_PERSON: Final = "Only an account of a person of this workspace can be linked. Nothing changed."


def code(principal: str, shown: str, until_us: int) -> str:
    """The code, and what typing it means."""
    return (
        f"Code for gatekeep: {shown}, until {at_time(until_us)}. Typed into the console by "
        f"{printable(principal, _NAME)}, it lets this Slack account vote as {printable(principal, _NAME)}. "
        "Type it there yourself; whoever asks you for it is up to no good."
    )


def linked(principal: str) -> str:
    """Both ends are told: this is Slack's."""
    return (
        f"From now on this Slack account votes as {printable(principal, _NAME)}, on requests of high "
        "risk after 24 h. If that is not you, tell the operators of the gateway now."
    )


def unlinked(principal: str) -> str:
    """The end of it."""
    return f"This Slack account does not vote as {printable(principal, _NAME)} any more."
