"""A company that lives by its data: nearly all work is SQL, over several databases."""

from __future__ import annotations

from organisation import (
    OPEN,
    READ,
    WRITE,
    Desk,
    Organisation,
    Scheme,
    Work,
    asking,
    database,
    free,
    numbers,
    people,
    quoted,
    schema_of,
)

_ANALYSTS = ("analysts",)
_PIPE = ("pipelines",)
_BATCHES = numbers(2_000, 50, 9)
_PEOPLE = numbers(88_001, 50, 5)
_pipe = Desk(_PIPE, ("warehouse",), "app", "main")
_look = Desk(_ANALYSTS, ("warehouse",), "app", "main")

_PRIVATE = 'context.tables_read.contains("public.persons")'
_RULES = (
    free("all-open", "analysts", OPEN) + free("pipelines-open", "pipelines", OPEN)
    + '@id("analysts-read")\n@title("What holds no persons is read freely")\n'
    + f'permit (principal in Group::"analysts", action == {READ}, resource)\n'
    + f"when {{ context.tables_complete }} unless {{ {_PRIVATE} }};\n\n"
    + asking("persons-are-asked", "analysts", READ, '"privacy"')
    + asking("analysts-write", "analysts", WRITE, '"data-leads"', risk="moderate")
    + asking("pipelines-write", "pipelines", WRITE, '"data-leads"', risk="")
)

DATA_COMPANY = Organisation(
    name="data company",
    principals=(
        *people("aki bao chi dag eun fei gao hana", "analysts"), *people("isa jun kai lin mei", "pipelines"),
        *people("nao omi pei tao", "data-leads"), *people("qi rin sho uma yui", "privacy"),
    ),
    targets=(database("warehouse", "prod", "role=warehouse"), database("serving", "prod", "role=serving")),
    rules={"data.cedar": _RULES},
    routine=(
        _pipe("reload", "UPDATE loads SET state = 'pending' WHERE id = {id}", 14, id=_BATCHES),
        _pipe("clear", "DELETE FROM staging WHERE batch = {id}", 11, id=_BATCHES),
        _pipe("watermark", "UPDATE watermarks SET day = {day} WHERE feed = {feed}", 9,
              day=quoted("2026-10-01 2026-10-02 2026-10-03 2026-10-04 2026-10-05 2026-10-06"),
              feed=quoted("clicks orders")),
        _look("one person", "SELECT country, segment FROM persons WHERE id = {id}", 14, id=_PEOPLE),
        _look("label", "INSERT INTO labels (row_id, label) VALUES ({id}, {label})", 12,
              id=_PEOPLE, label=quoted("spam ham")),
    ),
    rare=(
        _pipe("owner", "UPDATE loads SET owner_team = 'core' WHERE id = {id}", 0.6, id=_BATCHES),
        _look("erasure", "UPDATE persons SET erased = true WHERE id = {id}", 0.5, id=_PEOPLE),
    ),
    mistakes=(
        _pipe("all staging", "DELETE FROM staging", 0.3, wanted=False),
        _pipe("done", "UPDATE loads SET state = 'done' WHERE id = {id}", 0.4, wanted=False, id=_BATCHES),
        _look("everybody", "SELECT country, segment FROM persons", 0.4, wanted=False),
        _look("email", "SELECT email FROM persons WHERE id = {id}", 0.3, wanted=False, id=_PEOPLE),
    ),
    schemes=(
        Scheme(_look("by country", "SELECT country, segment, email FROM persons WHERE country = {c}", wanted=False,
                     c=quoted("no se dk")), 1.0, by_two=True, again=True),
        Scheme(_look("a range", "SELECT country, segment FROM persons WHERE id >= {id}", wanted=False, id=_PEOPLE[:8]),
               1.0, by_two=True),
        Scheme(_look("his own label", "INSERT INTO labels (row_id, label) VALUES ({id}, 'train_on_me')", wanted=False,
                     id=_PEOPLE[:12]), 1.2, by_two=True),
    ),
    never=(
        _look("another label", "INSERT INTO labels (row_id, label) VALUES ({id}, 'trusted')", wanted=False, id=_PEOPLE),
        _look("with names", "SELECT country, name FROM persons WHERE id = {id}", wanted=False, id=_PEOPLE),
        _look("or true", "SELECT country, segment FROM persons WHERE id = {id} OR true", wanted=False, id=_PEOPLE),
        _look("for update", "SELECT country, segment FROM persons WHERE id = {id} FOR UPDATE", wanted=False, id=_PEOPLE),
        _pipe("another feed", "UPDATE watermarks SET day = '2026-10-02' WHERE feed = {f}", wanted=False,
              f=quoted("payroll consent")),
        _pipe("another table", "DELETE FROM loads WHERE id = {id}", wanted=False, id=_BATCHES),
        _pipe("or", "DELETE FROM staging WHERE batch = {id} OR batch > 0", wanted=False, id=_BATCHES),
        _pipe("returning", "DELETE FROM staging WHERE batch = {id} RETURNING *", wanted=False, id=_BATCHES),
        Work("in serving", _PIPE, ("serving",), "app", "DELETE FROM staging WHERE batch = {id}", wanted=False, values={"id": _BATCHES}, database="main"),
        Work("as admin", _PIPE, ("warehouse",), "admin", "DELETE FROM staging WHERE batch = {id}", wanted=False, values={"id": _BATCHES}, database="main"),
        Work("by analysts", _ANALYSTS, ("warehouse",), "app", "DELETE FROM staging WHERE batch = {id}", wanted=False, values={"id": _BATCHES}, database="main"),
    ),
    deciders=("data-leads", "privacy"),
    engineers=("aki", "bao", "chi"),
    stamper="sho",
    view=schema_of(
        loads="id state owner_team", staging="batch payload", watermarks="day feed",
        persons="id country segment email name erased", labels="row_id label",
    ),
)  # fmt: skip
