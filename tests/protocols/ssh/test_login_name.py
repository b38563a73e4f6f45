"""Login names: three shapes, one reading each, and nothing else gets through."""

from __future__ import annotations

import re

import pytest
from asyncssh.saslprep import SASLPrepError, saslprep
from hypothesis import given
from hypothesis import strategies as st

from gatekeep.protocols.ssh.login_name import (
    InnerLogin,
    LoginName,
    mapped,
    parse_inner_login,
    parse_login_name,
)

_NAMES = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True)
_ACCOUNTS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True)


@given(_NAMES, _NAMES, _ACCOUNTS)
def test_each_shape_reads_back(principal: str, target: str, account: str) -> None:
    """What a client spells is what is read: who, as which account, on which target."""
    assert parse_login_name(principal) == LoginName(principal)
    assert parse_login_name(f"{principal}+{target}") == LoginName(principal, "", target)
    spelled = f"{principal}+{account}@{target}"
    assert parse_login_name(spelled) == LoginName(principal, account, target)


@pytest.mark.parametrize(
    "text",
    ["", "+", "Alice", "alice+", "alice+@web-1", "alice+root@", "a+b+c", "a+b@c@d", "alice@web-1",
     "alice web", "-alice", "alice+-x", "alice\n", 'al"ice', "alice,bob", "a*", "alice+Web-1",
     "ali\x00ce", "é", "a" * 64, "alice+" + "b" * 64, "a" * 10_000, "alice+ro ot@web-1"],
)  # fmt: skip
def test_other_texts_are_nobody(text: str) -> None:
    """Whatever is not exactly one of the shapes is refused, never read in part."""
    assert parse_login_name(text) is None


@given(st.text(max_size=300))
def test_no_text_is_read_as_more_than_it_says(text: str) -> None:
    """Any text is refused or consists of names alone, which put together again give it back."""
    found = parse_login_name(text)
    if found is None:
        return
    assert re.fullmatch(r"[a-z0-9][a-z0-9._-]*", found.principal)
    again = found.principal
    if found.target:
        again += "+" + (f"{found.account}@" if found.account else "") + found.target
    assert again == mapped(text)
    inner = parse_inner_login(text)
    assert inner is None or not set(inner.account) & set("+@")


@pytest.mark.parametrize("text", ["\uff41lice", "al\u00adice", "al\u200bice", "\ufb01"])
def test_spellings_of_one_name_are_one_name(text: str) -> None:
    """Fullwidth letters, soft hyphens and zero-width spaces are mapped as the wire maps them."""
    assert mapped(text) == saslprep(text)


@given(st.text(max_size=40))
def test_mapping_agrees_with_the_wire(text: str) -> None:
    """What the SSH library makes of a name is what lock-outs count it under, and stays so."""
    try:
        wired = saslprep(text)
    except SASLPrepError:
        return
    assert mapped(text) == wired


def test_inner_names_are_accounts_only() -> None:
    """Behind the jump host a name can be an account, and can name nobody else."""
    assert parse_inner_login("Deploy_1") == InnerLogin("Deploy_1")
    assert [parse_inner_login(text) for text in ("bob+web-1", "root@web-1", "", "a b")] == [None] * 4
