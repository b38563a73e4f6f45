"""A bank: the strict preset for engineers, and two desks of its own whose work two people release."""

from __future__ import annotations

from pathlib import Path

from organisation import (
    OPEN,
    READ,
    RUN,
    WRITE,
    Desk,
    Organisation,
    Scheme,
    Work,
    asking,
    database,
    free,
    machine,
    numbers,
    people,
    quoted,
    schema_of,
)

_STRICT = Path(__file__).parents[2] / "config" / "policy" / "presets" / "strict.cedar"
_DESK = ("payments-desk",)
_BATCH = ("batch",)
_BATCHES = ("batch-1", "batch-2")
_PAYMENTS = numbers(500_003, 60, 13)
_RUNS = numbers(1, 6, 1)
_pay = Desk(_DESK, ("core",), "app", "main")
_batch = Desk(_BATCH, _BATCHES, "deploy")
_dba = Desk(("dba",), ("core",), "admin", "main")

_OWN = (
    free("desk-opens", "payments-desk", f"{OPEN}, {READ}")
    + free("batch-opens", "batch", OPEN)
    + asking("desk-writes", "payments-desk", WRITE, '"payments-control:2"', risk="moderate")
    + asking("batch-runs", "batch", f'{RUN}, Action::"ssh.opaque"', '"batch-control"', risk="moderate")
)

BANK = Organisation(
    name="bank",
    principals=(
        *people("abe bea cal dee eli fia gil hoa", "payments-desk"),
        *people("ian joy ken lou mia", "batch"), *people("ned ora", "dba"),
        *people("pam raj sue tom uma", "payments-control"), *people("val wes xia yan", "batch-control"),
        *people("zoe zed", "security"),
    ),
    targets=(
        database("core", "prod", "role=core"), database("swift", "prod", "role=swift"),
        *(machine(one, "prod", "role=batch") for one in _BATCHES), machine("hsm-1", "prod", "role=hsm"),
    ),
    rules={"strict.cedar": _STRICT.read_text(), "bank.cedar": _OWN},
    routine=(
        _pay("release", "UPDATE payments SET state = {s} WHERE id = {id}", 18,
             s=quoted("released checked"), id=_PAYMENTS),
        _pay("remark", "INSERT INTO remarks (payment_id, code) VALUES ({id}, {code})", 14,
             id=_PAYMENTS, code=("11", "12", "17")),
        _batch("rerun", "batchctl rerun nightly-ledger", 14),
        _batch("skip", "batchctl skip-step {n}", 12, n=_RUNS),
    ),
    rare=(
        _pay("hold", "UPDATE payments SET held_by = {who} WHERE id = {id}", 0.7,
             who=quoted("abe bea cal"), id=_PAYMENTS),
        _batch("calendar", "batchctl calendar add 2027-01-06", 0.4),
        _dba("statistics", "UPDATE settings_of_reports SET sample = 50 WHERE report = 7", 1.5),
    ),
    mistakes=(
        _pay("cleared", "UPDATE payments SET state = 'cleared' WHERE id = {id}", 0.4, wanted=False, id=_PAYMENTS),
        _pay("all released", "UPDATE payments SET state = 'released'", 0.2, wanted=False),
        _batch("rerun month", "batchctl rerun monthly-ledger", 0.4, wanted=False),
        _batch("skip all", "batchctl skip-step --all", 0.2, wanted=False),
        _dba("sample none", "UPDATE settings_of_reports SET sample = 0", 0.2, wanted=False),
    ),
    schemes=(
        Scheme(_pay("another payee", "UPDATE payments SET payee = 'DE02' WHERE id = {id}", wanted=False,
                    id=("500003", "500016")), 0.8, by_two=True, again=True),
        Scheme(_pay("his own state", "UPDATE payments SET state = 'settled_manually' WHERE id = {id}", wanted=False,
                    id=_PAYMENTS[:9]), 1.0, by_two=True),
        Scheme(_batch("his own ledger", "batchctl rerun nightly-ledger --config /tmp/x", wanted=False), 0.8,
               ("batchctl -q rerun nightly-ledger --config /tmp/x",
                "batchctl rerun nightly-ledger --config=/tmp/x"), by_two=True, again=True),
    ),
    never=(
        _pay("another state", "UPDATE payments SET state = {s} WHERE id = {id}", wanted=False,
             s=quoted("void reversed"), id=_PAYMENTS[:5]),
        _pay("by amount", "UPDATE payments SET state = 'released' WHERE amount > {id}", wanted=False, id=_PAYMENTS),
        _pay("written-off code", "INSERT INTO remarks (payment_id, code) VALUES ({id}, 99)", wanted=False, id=_PAYMENTS),
        _pay("or true", "UPDATE payments SET state = 'released' WHERE id = {id} OR true", wanted=False, id=_PAYMENTS),
        _pay("gone", "DELETE FROM remarks WHERE payment_id = {id}", wanted=False, id=_PAYMENTS),
        Work("in swift", _DESK, ("swift",), "app",
             "UPDATE payments SET state = 'released' WHERE id = {id}", wanted=False, values={"id": _PAYMENTS}, database="main"),
        Work("as admin", _DESK, ("core",), "admin",
             "UPDATE payments SET state = 'released' WHERE id = {id}", wanted=False, values={"id": _PAYMENTS}, database="main"),
        Work("where keys are", _BATCH, ("hsm-1",), "deploy", "batchctl rerun nightly-ledger", wanted=False),
        Work("as root", _BATCH, _BATCHES, "root", "batchctl rerun nightly-ledger", wanted=False),
        _batch("forced", "batchctl rerun nightly-ledger --force", wanted=False),
        _batch("both", "batchctl rerun nightly-ledger; batchctl rerun monthly-ledger", wanted=False),
        _dba("grant", "GRANT ALL ON payments TO PUBLIC", wanted=False),
        _dba("drop", "DROP TABLE payments", wanted=False),
    ),
    deciders=("payments-control", "batch-control", "dba", "security"),
    engineers=("abe", "bea", "ian", "joy"),
    stamper="uma",
    view=schema_of(
        payments="id state payee amount held_by", remarks="payment_id code",
        settings_of_reports="report sample",
    ),
)  # fmt: skip
