"""A refusal speaks against what it refused however that is spelt: nobody gets round it by his words."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.deeds import (
    PERSONS,
    History,
    ago,
    at,
    command,
    denied,
    failed,
    moved,
    often,
    on_sql,
    statement,
)

from gatekeep.domain.suggestions import SuggestionKind
from gatekeep.feedback.deeds import Deed
from gatekeep.protocols.sql.likeness import sql_likeness
from gatekeep.protocols.sql.template import template_of

_ORDER = "delete from orders where id = {}"


def written(text: str, values: list[str] | None = None, **changes: object) -> Deed:
    """A statement as evidence has it: its template and slots found from the text."""
    likeness = sql_likeness(template_of(text), text, values or [])
    assert likeness is not None
    return statement(likeness.template, likeness.slots, **changes)


def lacking(deed: Deed, no: Deed) -> set[str]:
    """The failed checks of what sixty approvals of one and a refusal of the other make."""
    (one,) = History().add(often(deed, 60)).add(moved(denied(no), ago(5))).all(SuggestionKind.RELAX)
    return failed(one)


@pytest.mark.parametrize(
    ("approved", "refused"),
    [
        ("nginx-cache clean --no-color", "nginx-cache clean"),
        ("nginx-cache clean", "/usr/local/bin/nginx-cache clean"),
        ("nice -n 5 nginx-cache clean", "nginx-cache clean"),
        ("nginx-cache clean --force", "nginx-cache clean -f"),
        ("nginx-cache -f clean", "nginx-cache clean --force"),
        ("nginx-cache -qf clean", "nginx-cache -f clean"),
        ("shopctl site blue rotate", "shopctl rotate site blue"),
        ("shopctl restart web.service", "shopctl restart web"),
    ],
)
def test_a_command_in_other_words(approved: str, refused: str) -> None:
    """Padding, order, folder, wrapper, a short option for a long one: it is what people refused."""
    assert lacking(command(approved), command(refused)) == {"no denials"}


@pytest.mark.parametrize(
    ("approved", "refused"),
    [
        ("nginx-cache clean", "nginx-cache clean --all"),
        ("nginx-cache clean --sites=2", "nginx-cache clean --sites=0"),
        ("nginx-cache clean", "nginx-cache drop"),
        ("nginx-cache -v clean", "nginx-cache --force clean"),
    ],
)
def test_what_goes_further_was_another_command(approved: str, refused: str) -> None:
    """That people refused the option more, the other value or the other verb says nothing of this."""
    assert lacking(command(approved), command(refused)) == set()


def test_refused_in_a_shell_is_refused() -> None:
    """The line that people refused in a shell does not pass as a command that runs alone."""
    line = replace(command("nginx-cache clean"), action="ssh.line", assurance="attested")
    assert lacking(command("nginx-cache clean"), line) == {"no denials"}


@pytest.mark.parametrize(
    ("approved", "refused"),
    [
        ("delete from orders where id = 5", 'delete from "orders" where id = 5'),
        ("delete from orders where id = 5", "delete from public.orders where orders.id = 5"),
        ("delete from orders where id = 5", "delete from orders o where o.id = 5"),
        ("delete from orders as o where o.id = 5", "delete from orders where id = 5;"),
        ("delete from orders where id = 5 returning id", "delete from orders where id = 5"),
        ("delete from orders where (id = 5)", "delete from orders where id = 5"),
        ("delete from orders where id = '5'", "delete from orders where id = 5"),
        ("delete from orders where id = '5'::int", "delete from orders where id = 5"),
        ("delete from orders where id = 5 and true", "delete from orders where id = 5"),
    ],
)
def test_a_statement_in_other_words(approved: str, refused: str) -> None:
    """Quotes, schema, alias, brackets, type, RETURNING: they delete the same row."""
    assert lacking(written(approved), written(refused)) == {"no denials"}


def test_a_bound_value_is_a_value() -> None:
    """What was refused as a literal does not pass bound, nor the other way round."""
    literal, bound = "delete from orders where id = 5", "delete from orders where id = $1"
    assert lacking(written(bound, ["5"]), written(literal)) == {"no denials"}
    assert lacking(written(literal), written(bound, ["5"])) == {"no denials"}
    assert lacking(written(literal), written(bound, ["6"])) == set()
    # of several, each stands in its own place
    both = "delete from orders where id = $1 and state = 'new'"
    other = "delete from orders where id = 5 and state = $1"
    assert lacking(written(both, ["5"]), written(other, ["new"])) == {"no denials"}
    assert lacking(written(both, ["5"]), written(other, ["old"])) == set()


def test_another_row_or_table_was_another_statement() -> None:
    """A refusal of row 6, of another table or of another column keeps nothing else closed."""
    routine = written("delete from orders where id = 5")
    for text in ("delete from orders where id = 6", "delete from items where id = 5", "delete from orders where no = 5"):
        assert lacking(routine, written(text)) == set()


def test_refused_while_its_tables_were_not_known() -> None:
    """The same words, refused when the catalogue could not be read, or under another search path."""
    routine = written("delete from orders where id = 5")
    assert lacking(routine, replace(routine, tables_written=())) == {"no denials"}
    assert lacking(routine, replace(routine, tables_written=("tmp.orders",))) == {"no denials"}


def test_refused_as_unproven() -> None:
    """The very text, refused when nothing about it was proven: it had no likeness then."""
    routine = written("select a from orders where id = 5")
    unproven = replace(routine, action="sql.procedural", likeness=None, surely=False, tables_read=())
    assert lacking(routine, unproven) == {"no denials"}


def test_refused_elsewhere_is_another_place() -> None:
    """Another database and another account are asked about by themselves."""
    routine = written("delete from orders where id = 5")
    assert lacking(routine, replace(routine, where=on_sql(database="billing"))) == set()
    assert lacking(command("uptime"), command("uptime", at(account="root"))) == set()


def test_one_refused_row_keeps_its_column_closed_however_it_is_spelt() -> None:
    """Any id would be any id, and 7 was refused, though as a text."""
    deeds = [
        replace(one, likeness=written(_ORDER.format(100 + number)).likeness)
        for number, one in enumerate(often(written("delete from orders where id = 5"), 60, persons=PERSONS))
    ]
    no = denied(written("delete from orders o where o.id = '7'"))
    assert History().add(deeds).suggest() != []
    assert History().add(deeds).add(no).suggest() == []
