"""Tokens: one after the other, from a key that stays, and none believed out of its time."""

from __future__ import annotations

from gatekeep.protocols.ssh.shells.hook_tokens import Tokens


def test_before_the_first_reply_none_is_good() -> None:
    """The empty one is no token."""
    tokens = Tokens(b"k" * 32)
    assert not tokens.is_current(b"")
    assert not tokens.is_next(b"")
    assert not tokens.is_stale(b"")


def test_a_token_is_good_from_its_turn_to_the_next() -> None:
    """Then it is stale; one that was never acknowledged is never used again."""
    tokens = Tokens(b"k" * 32)
    tokens.reply(1, b"y", rotated=True)
    tokens.turn()
    first = tokens.current
    lost = tokens.reply(2, b"y", rotated=True).rsplit(b";", 1)[1][:-1]
    kept = tokens.reply(3, b"n", rotated=True).rsplit(b";", 1)[1][:-1]
    assert tokens.is_current(first)
    assert tokens.is_next(kept)
    assert not tokens.is_next(lost)
    tokens.turn()
    assert tokens.is_current(kept)
    assert tokens.is_stale(first)
    assert not tokens.is_stale(lost)


def test_a_reply_that_keeps_the_token_says_so() -> None:
    """To the backstop: it may be a subshell that asks."""
    tokens = Tokens(b"k" * 32)
    tokens.reply(1, b"y", rotated=True)
    tokens.turn()
    token = tokens.current
    assert tokens.reply(4, b"n", rotated=False) == b"\x1b]7717;4;%b;n;%b\x07" % (token, token)


def test_two_keys_have_no_token_in_common() -> None:
    """Nor do two turns of one key."""
    seen = set()
    for key in (b"k" * 32, b"l" * 32):
        tokens = Tokens(key)
        for number in range(50):
            tokens.reply(number, b"y", rotated=True)
            tokens.turn()
            seen.add(tokens.current)
    assert len(seen) == 100
