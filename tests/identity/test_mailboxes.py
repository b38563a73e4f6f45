"""Where persons read mail, as principals.yaml says."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatekeep.domain.identity import Mailbox
from gatekeep.errors import SettingsError
from gatekeep.identity.mailboxes import MailBook
from gatekeep.identity.principals import load_principals

FILE = """
principals:
  - {name: bob, mail: bob@example.org, zone: Europe/Berlin}
  - {name: bob-dba, person: bob, mail: Bob@Example.org}
  - {name: carol, mail: carol@example.org}
  - {name: dan}
  - {name: bot, owner: bob, mail: bot@example.org}
"""


def book(tmp_path: Path, text: str = FILE) -> MailBook:
    """The mailboxes of a file."""
    file = tmp_path / "principals.yaml"
    file.write_text(text)
    return MailBook(load_principals(file))


def test_mailboxes_are_those_of_persons(tmp_path: Path) -> None:
    """Once for each address; machines and those without an address have none."""
    boxes = book(tmp_path)
    bob, carol = Mailbox("bob", "bob@example.org", "Europe/Berlin"), Mailbox("carol", "carol@example.org")
    assert boxes.all() == [bob, carol]
    assert boxes.of(["bob", "dan", "nobody"]) == [bob]
    assert boxes.of([]) == []


def test_a_reload_replaces_all(tmp_path: Path) -> None:
    """Who is gone is written to no more."""
    boxes = book(tmp_path)
    boxes.reload(())
    assert boxes.all() == []


@pytest.mark.parametrize(
    "address",
    ["bob", "bob@", "@example.org", "bob@example.org\\nBcc: eve@example.org", "b b@example.org",
     "bob@exa mple.org", '\\"b\\"@example.org', "bob@example.org,eve@example.org",
     "<bob@example.org>", "bob@b\\u00fccher.example", "bob@-example.org"],
)  # fmt: skip
def test_an_address_is_nothing_but_one(tmp_path: Path, address: str) -> None:
    """No header, no second recipient and no name fits into it."""
    text = f'principals: [{{name: bob, mail: "{address}"}}]\n'
    with pytest.raises(SettingsError) as raised:
        book(tmp_path, text)
    assert raised.value.key == "principals[0].mail"


def test_a_zone_is_one_of_the_tz_database(tmp_path: Path) -> None:
    """Else the first mail would fail, in the night."""
    for zone in ("Mars/Olympus", "/etc/passwd", "../UTC", ""):
        with pytest.raises(SettingsError) as raised:
            book(tmp_path, f'principals: [{{name: bob, mail: b@example.org, zone: "{zone}"}}]\n')
        assert raised.value.key == "principals[0].zone"
