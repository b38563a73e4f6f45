"""Readings are reused exactly as long as they hold."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support import builders

from gatekeep.domain.actions import SqlClass
from gatekeep.domain.catalogue import CatalogueView, RelationFacts
from gatekeep.domain.sessions import Session, SessionVector
from gatekeep.proxies.postgres.parsing import Parser
from gatekeep.proxies.postgres.reading import StatementReader
from gatekeep.runtime.offload import Offload

VECTOR = SessionVector()
READ = "SELECT name FROM orders WHERE id = 1"


def view(epoch: str = "one") -> CatalogueView:
    """A clean database with one table."""
    orders = RelationFacts("public.orders", "r", ("id", "name"))
    return CatalogueView(epoch, 180000, "", relations={"public.orders": orders})


class Desk:
    """A catalogue desk whose view the test sets; counts look-ups."""

    def __init__(self) -> None:
        self.at_hand: CatalogueView | None = view()
        self.behind: CatalogueView | None = view()
        self.look_ups = 0

    def fresh(self, session: Session) -> CatalogueView | None:
        """What is at hand."""
        return self.at_hand

    async def look_up(self, session: Session) -> CatalogueView | None:
        """What would be found."""
        self.look_ups += 1
        return self.behind

    def unsettle(self, session: Session) -> None:
        """Not counted here."""

    def settle(self, session: Session) -> None:
        """Not counted here."""

    def invalidate(self, session: Session) -> None:
        """Nothing is at hand any more."""
        self.at_hand = None


class Story:
    """A reader over such a desk, for one session."""

    def __init__(self) -> None:
        self.desk = Desk()
        self.offload = Offload()
        self.reader = StatementReader(self.desk, Parser(self.offload))
        self.session = builders.session()

    def scope(self, vector: SessionVector | None = VECTOR, *, provable: bool = True):  # noqa: ANN201 - a test's shorthand
        """The session's scope under a vector."""
        return self.reader.scope(self.session, vector, provable=provable)


async def test_a_reading_serves_every_text_of_its_shape() -> None:
    """Another literal needs no parse; each keeps its own text."""
    story = Story()
    await story.reader.read(story.scope(), READ)
    known = story.reader.known(story.scope(), READ.replace("1", "22"))
    assert known is not None
    assert known.facts[0].sql_class is SqlClass.READ
    assert known.redacted == READ.replace("1", "22")


async def test_a_new_catalogue_voids_what_was_read() -> None:
    """After the epoch changed nothing is known until it is read again."""
    story = Story()
    await story.reader.read(story.scope(), READ)
    assert story.reader.known(story.scope(), READ) is not None
    story.desk.at_hand = view("two")
    assert story.reader.known(story.scope(), READ) is None


async def test_without_a_catalogue_nothing_is_proven_and_nothing_kept() -> None:
    """A failed look-up makes a SELECT procedural, and is not remembered as the truth."""
    story = Story()
    story.desk.at_hand = story.desk.behind = None
    reading = await story.reader.read(story.scope(), READ)
    assert reading.facts[0].sql_class is SqlClass.PROCEDURAL
    assert story.desk.look_ups == 1
    story.desk.at_hand = view()
    again = await story.reader.read(story.scope(), READ)
    assert again.facts[0].sql_class is SqlClass.READ


async def test_uncommitted_schema_changes_prove_nothing() -> None:
    """In a scope that is not provable the view is not asked, and a SELECT is procedural."""
    story = Story()
    reading = await story.reader.read(story.scope(provable=False), READ)
    assert reading.facts[0].sql_class is SqlClass.PROCEDURAL
    assert story.desk.look_ups == 0


async def test_vectors_do_not_share_readings() -> None:
    """What was read under one search_path is not known under another."""
    story = Story()
    await story.reader.read(story.scope(), READ)
    other = replace(VECTOR, search_path="sales, public")
    assert story.reader.known(story.scope(other), READ) is None
    assert story.scope(other) is not story.scope()
    assert story.scope() is story.scope()


async def test_under_an_unknown_vector_quotes_are_opaque() -> None:
    """Without the vector nobody can say where a string ends."""
    story = Story()
    reading = await story.reader.read(story.scope(None), "SELECT 'a'")
    assert reading.facts[0].sql_class is SqlClass.OPAQUE


async def test_a_secret_is_redacted_in_every_text_of_a_shape() -> None:
    """The reading of one password does not show the next one."""
    story = Story()
    for secret in ("first-secret", "second-secret"):
        text = f"ALTER ROLE app PASSWORD '{secret}'"
        known = story.reader.known(story.scope(), text)
        reading = known or await story.reader.read(story.scope(), text)
        assert secret not in reading.redacted


async def test_a_bind_value_of_a_users_type_unproves_a_read() -> None:
    """A declared parameter of a domain runs its CHECK at Bind."""
    story = Story()
    scope = story.scope()
    reading = await story.reader.read(scope, READ)
    assert story.reader.bound(scope, reading.facts, (23,)) is reading.facts
    (fact,) = story.reader.bound(scope, reading.facts, (99_999,))
    assert fact.sql_class is SqlClass.PROCEDURAL
    assert not fact.vector_safe


@pytest.mark.parametrize("size", [5_000, 200_000])
async def test_large_texts_are_read_away_from_the_loop(size: int) -> None:
    """A text that is not small is read on the large stack, with the same answer."""
    story = Story()
    text = READ + " /*" + "x" * size + "*/"
    reading = await story.reader.read(story.scope(), text)
    assert reading.facts[0].sql_class is SqlClass.READ
    story.offload.close()


async def test_a_target_that_was_loaded_anew_shares_no_readings() -> None:
    """It may be another place by now, or trust other code."""
    story = Story()
    before = story.scope()
    assert story.scope() is before
    story.session = builders.session(target=builders.target(host="127.0.0.2"))
    moved = story.scope()
    assert moved is not before
    assert moved.session is story.session
    story.offload.close()
