"""A state directory with a sealed journal, its keys and its `state.db`, as a gateway's loop finds it."""

from __future__ import annotations

import os
from pathlib import Path

from support.clock import MovedClock
from support.loop_events import DAY_US, T0_US, LoopStory
from support.loop_journal import Sealed
from support.loop_work import RULES, Month

from gatekeep.journal.archive import SIGNED_NAME
from gatekeep.journal.keys import KEK_NAME, make_keys_dir, write_secret
from gatekeep.loop_thinker import Place
from gatekeep.stores.sqlite.state import StateStore

KEK = bytes(range(32))
"""That of the spool builder's ring."""


class LoopPlace:
    """Some sessions of people's work, signed; more can come."""

    def __init__(self, path: Path, events: int = 500) -> None:
        self.path = path
        self.sealed = Sealed(path / "state" / "journal")
        self._story = LoopStory(self.sealed)
        self._month = Month(self._story)
        self.clock = MovedClock(wall=T0_US + 60 * DAY_US)
        make_keys_dir(path / "keys")
        write_secret(path / "keys" / KEK_NAME, KEK.hex().encode())
        self._story.activated(main=RULES)
        self.go_on(events)

    @property
    def place(self) -> Place:
        """As it is told to the loop's process."""
        state = self.path / "state"
        vkey = self.sealed.spool.vkey_text
        return Place(state / "journal", state / "state.db", self.path / "keys", vkey)

    def go_on(self, events: int) -> None:
        """At least so many events more; their keys are kept."""
        spool = self.sealed.spool
        begin = spool.n
        while spool.n - begin < events:
            self._month.session()
        spool.commit()
        self.sealed.archive()
        self.keep_keys()

    def keep_keys(self) -> None:
        """People's keys, as the gateway keeps them."""
        spool = self.sealed.spool
        store = StateStore.open(self.place.state_db, spool.ring.state_db_key(), self.clock)
        for person, wrapped in spool.keys.subjects.items():
            store.put_subject_key(person, wrapped)
        store.close()

    def silence(self) -> None:
        """From now on the file with the last checkpoint answers nobody who reads it."""
        signed = self.place.journal / SIGNED_NAME
        signed.rename(signed.with_name("signed.aside"))
        os.mkfifo(signed)

    def speak_again(self) -> None:
        """It answers again whoever begins to read it."""
        signed = self.place.journal / SIGNED_NAME
        signed.with_name("signed.aside").replace(signed)
