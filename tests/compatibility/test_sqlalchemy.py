"""SQLAlchemy on psycopg and asyncpg: reflection as an engineer, core and ORM as a DBA."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.ext.asyncio import create_async_engine
from support.journey import Place

pytestmark = [pytest.mark.journey, pytest.mark.usefixtures("nothing_refused")]


class Base(orm.DeclarativeBase):
    """The registry of the two tables."""


class Author(Base):
    """Has books."""

    __tablename__ = "sa_authors"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    name: orm.Mapped[str] = orm.mapped_column(sa.String(50), index=True)
    data: orm.Mapped[dict[str, Any]] = orm.mapped_column(sa.JSON, default=dict)
    books: orm.Mapped[list[Book]] = orm.relationship(
        back_populates="author", cascade="all, delete-orphan"
    )


class Book(Base):
    """Has an author."""

    __tablename__ = "sa_books"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    author_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey("sa_authors.id"))
    kind: orm.Mapped[str] = orm.mapped_column(sa.Enum("novel", "poems", name="sa_kind"))
    pages: orm.Mapped[int] = orm.mapped_column(comment="without the cover")
    author: orm.Mapped[Author] = orm.relationship(back_populates="books")


def _url(place: Place, name: str, driver: str = "psycopg") -> sa.URL:
    return sa.URL.create(
        f"postgresql+{driver}", username=name, password=place.gateway.tokens[name],
        host="127.0.0.1", port=place.gateway.port, database="orders",
    )  # fmt: skip


@pytest.fixture
def engine(place: Place) -> Iterator[sa.Engine]:
    """An engine of bob's with the two tables, which go away with it."""
    engine = sa.create_engine(_url(place, "bob"))
    Base.metadata.create_all(engine)
    yield engine
    Base.metadata.drop_all(engine)
    engine.dispose()


def test_reflection(place: Place, recorded: Callable[[], list[tuple[str, dict[str, Any]]]]) -> None:
    """Tables, columns, keys, indexes, constraints, comments, enums, domains: all of it is read."""
    engine = sa.create_engine(_url(place, "alice"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sa.exc.SAWarning)  # a composite is no type it knows
        asked = sa.inspect(engine)
        _inspect_everything(asked)
        metadata = sa.MetaData()
        metadata.reflect(engine, views=True)
        metadata.reflect(engine, schema="stock")
    assert asked.get_table_comment("customers") == {"text": "people who buy"}
    assert {key["referred_table"] for key in asked.get_foreign_keys("orders")} == {"customers"}
    engine.dispose()
    assert {"orders", "recent", "stock.events"} <= set(metadata.tables)
    classes = {payload["class"] for _, payload in recorded()}
    assert classes == {"read", "session"}


def _inspect_everything(asked: sa.Inspector) -> None:
    everything = sa.engine.reflection.ObjectKind.ANY
    for schema in (None, "stock"):
        for what in (
            "columns", "pk_constraint", "foreign_keys", "indexes", "unique_constraints",
            "check_constraints", "table_comment", "table_options",
        ):  # fmt: skip
            getattr(asked, f"get_multi_{what}")(schema=schema, kind=everything)
        asked.get_table_names(schema=schema)
        asked.get_view_names(schema=schema)
        asked.get_materialized_view_names(schema=schema)
        asked.get_sequence_names(schema=schema)
        for what in ("get_enums", "get_domains", "get_foreign_table_names"):
            getattr(asked, what)(schema=schema)
    asked.get_schema_names()
    asked.get_temp_table_names()
    asked.get_view_definition("recent")
    assert asked.has_table("orders")
    assert asked.has_sequence("tickets")
    assert not asked.has_schema("nowhere")


def test_core(engine: sa.Engine) -> None:
    """Bulk insert, joins, window functions, upsert, RETURNING, a streamed result."""
    authors, books = Author.__table__, Book.__table__
    with engine.begin() as connection:
        rows = [{"name": f"a{n}", "data": {"n": n}} for n in range(2000)]
        made = connection.execute(sa.insert(Author).returning(Author.id), rows)
        ids = [row.id for row in made]
        assert len(ids) == 2000
        connection.execute(
            sa.insert(Book), [{"author_id": i, "kind": "novel", "pages": i} for i in ids[:300]]
        )
        joined = sa.select(sa.func.count()).select_from(authors.join(books))
        assert connection.scalar(joined) == 300
        rank = sa.func.rank().over(order_by=books.c.pages.desc())
        assert connection.execute(sa.select(books.c.id, rank).limit(3)).fetchall()[0][1] == 1
        upsert = sa.dialects.postgresql.insert(authors).values(id=ids[0], name="again", data={})
        connection.execute(
            upsert.on_conflict_do_update(index_elements=["id"], set_={"name": "again"})
        )
        assert connection.scalar(sa.select(authors.c.name).where(authors.c.id == ids[0])) == "again"


def test_orm(engine: sa.Engine) -> None:
    """A unit of work with joins, eager loads, savepoints and deletes that cascade."""
    with orm.Session(engine) as session:
        session.add_all(
            Author(name=f"a{n}", books=[Book(kind="poems", pages=k) for k in range(3)])
            for n in range(30)
        )
        session.commit()
        counted = sa.select(Author.name, sa.func.sum(Book.pages)).join(Book).group_by(Author.name)
        assert all(total == 3 for _, total in session.execute(counted))
        eager = sa.select(Author).options(orm.selectinload(Author.books)).order_by(Author.id)
        first = session.scalars(eager).first()
        assert first is not None
        assert len(first.books) == 3
        with pytest.raises(sa.exc.DBAPIError), session.begin_nested():
            session.execute(sa.text("SELECT 1 / 0"))
        first.name = "renamed"
        session.delete(first.books[0])
        session.commit()
        assert session.scalar(sa.select(sa.func.count()).select_from(Book)) == 89
        locked = session.scalars(sa.select(Author).limit(1).with_for_update()).one()
        session.delete(locked)
        session.commit()


async def test_asyncpg_dialect(place: Place) -> None:
    """The same engine over asyncpg, which looks its JSON types up first."""
    engine = create_async_engine(_url(place, "alice", "asyncpg"))
    async with engine.connect() as connection:
        rows = await connection.execute(sa.text("SELECT id, data FROM customers ORDER BY id"))
        assert rows.fetchall()[1].data == {"vip": True}
        names = await connection.run_sync(lambda it: sa.inspect(it).get_table_names())
        assert "orders" in names
    await engine.dispose()
