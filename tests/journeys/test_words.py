"""What psql shows when gatekeep speaks: the words of every refusal, to the letter."""

from __future__ import annotations

import os
import re
import subprocess

import pytest
from support.journey import Place

pytestmark = pytest.mark.journey

_REQUEST = re.compile(r"(request |/r/)[0-9A-Z]{4}\b")
_PORT = re.compile(r"localhost:\d+/")
_SESSION = re.compile(r"policy [0-9a-f]{7}, session S-[0-9A-Z]{8}")


@pytest.fixture(scope="module", autouse=True)
def tables(guarded_place: Place) -> None:
    """A table to be refused things on."""
    guarded_place.make("CREATE TABLE ledger (n int)")


def _psql(place: Place, *texts: str, account: str = "app_rw", **dsn: str) -> str:
    """What psql writes to stderr, with the names of session, policy and request made equal."""
    commands = [part for text in texts for part in ("-c", text)]
    done = subprocess.run(
        ["/usr/bin/psql", "-X", "-v", "VERBOSITY=default", "-v", "SHOW_CONTEXT=always",
         place.dsn(account=account, **dsn), *commands],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60,
        env={**os.environ, "LC_ALL": "C.UTF-8", "PGCONNECT_TIMEOUT": "20"},
    )  # fmt: skip
    named = _SESSION.sub("policy P, session S", done.stderr)
    return _PORT.sub("localhost:PORT/", _REQUEST.sub(r"\1R", named))


def test_a_policy_refusal(guarded_place: Place) -> None:
    """Primary, DETAIL with the rule and its why, HINT with its owner, CONTEXT; psql goes on."""
    assert _psql(guarded_place, "DROP TABLE ledger", "SELECT 1") == (
        "ERROR:  gatekeep: policy does not allow DROP TABLE on orders\n"
        "DETAIL:  Rule no-drop: tables are dropped by migrations.\n"
        "HINT:  The statement was not sent; like any error, this one fails an open transaction. Owner of the rule: "
        "data-platform. To ask for an exception: gatekeep request new --target orders\n"
        "CONTEXT:  rule no-drop, policy P, session S\n"
    )


def test_a_refusal_among_several_statements(guarded_place: Place) -> None:
    """DETAIL says which one it was, and that none of them was run."""
    assert _psql(guarded_place, "SELECT 1; DROP TABLE ledger; SELECT 2") == (
        "ERROR:  gatekeep: policy does not allow DROP TABLE on orders\n"
        "DETAIL:  Rule no-drop: tables are dropped by migrations. Statement 2 of 3; "
        "none of the 3 was run.\n"
        "HINT:  The statement was not sent; like any error, this one fails an open transaction. Owner of the rule: "
        "data-platform. To ask for an exception: gatekeep request new --target orders\n"
        "CONTEXT:  rule no-drop, policy P, session S\n"
    )


def test_what_needs_approval(guarded_place: Place) -> None:
    """An ask is a NOTICE first; where nobody answers it is an error that says whom to ask."""
    assert _psql(guarded_place, "COMMENT ON TABLE ledger IS 'x'") == (
        "NOTICE:  gatekeep: waiting for approval by dba (bob), request R\n"
        "DETAIL:  COMMENT on public.ledger, no estimate: COMMENT has no plan. "
        "Asked by rule comments-need-dba. Open for 0 s.\n"
        "HINT:  Nothing has been sent to orders yet. Ctrl-C withdraws the request. "
        "http://localhost:PORT/r/R\n"
        "CONTEXT:  request R, rule comments-need-dba, policy P, session S\n"
        "ERROR:  gatekeep: nobody answered request R in 0 s\n"
        "DETAIL:  Asked: bob.\n"
        "HINT:  The statement was not sent; like any error, this one fails an open transaction. "
        "Send it again, or ask ahead of time: gatekeep request new\n"
        "CONTEXT:  request R, rule comments-need-dba, policy P, session S\n"
    )


def test_copy(guarded_place: Place) -> None:
    """A COPY FROM STDIN that policy refuses is refused, and psql does not wait for data."""
    assert _psql(guarded_place, "COPY ledger FROM STDIN").startswith(
        "ERROR:  gatekeep: policy does not allow COPY FROM on "
    )


def _fatal(place: Place, says: str, **how: str) -> None:
    """The words of a refused connection, behind libpq's own head line."""
    shown = _psql(place, "SELECT 1", **how)
    head = f'psql: error: connection to server at "127.0.0.1", port {place.gateway.port} failed: '
    assert shown == f"{head}FATAL:  {says}\n"


def test_an_unknown_target(guarded_place: Place) -> None:
    """No such target and no right to it are the same words, with what is near."""
    _fatal(
        guarded_place,
        'gatekeep: no target "ordres" for alice\nDETAIL:  Near: orders.\n'
        "HINT:  gatekeep targets ls shows what you may reach.",
        dbname="ordres",
    )


def test_several_accounts(guarded_place: Place) -> None:
    """Which accounts there are, and how one is named."""
    _fatal(
        guarded_place,
        "gatekeep: name an account: app_ro, app_rw\nHINT:  user=alice+app_ro",
        account="",
    )


@pytest.mark.parametrize("how", [{"password": "gk_wrong"}, {"user": "nobody"}])
def test_a_failed_sign_in(guarded_place: Place, how: dict[str, str]) -> None:
    """A wrong token and an unknown principal get the same words."""
    _fatal(
        guarded_place,
        "gatekeep: sign-in refused\nHINT:  Tokens: gatekeep login, or gatekeep tokens new.",
        account="", **how,
    )  # fmt: skip


def test_a_statement_that_is_too_large(guarded_place: Place) -> None:
    """Over 16 MiB: 54000, and the connection goes on."""
    with guarded_place.connect("app_rw", autocommit=True) as connection:
        result = connection.pgconn.exec_(b"SELECT '" + b"x" * (16 << 20) + b"'")
        assert result.error_message.decode() == (
            "ERROR:  gatekeep: statement over 16 MiB\nHINT:  Load data with COPY.\n"
        )
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_door_that_demands_tls(tls_place: Place) -> None:
    """A plain connection is told what to do."""
    shown = _psql(tls_place, "SELECT 1", account="", sslmode="disable")
    assert "gatekeep: " in shown
    assert "sslmode=require" in shown


def test_words_of_people_cannot_drive_a_terminal(guarded_place: Place) -> None:
    """What a client calls its target comes back without control characters."""
    shown = _psql(guarded_place, "SELECT 1", dbname="a\x1b[31mb")
    assert "\x1b" not in shown
    assert 'no target "a\\x1b[31mb" for alice' in shown


def test_what_the_target_says_at_login_is_shown(open_place: Place) -> None:
    """A login trigger's notice reaches who opened the session, as it does directly."""
    with open_place.direct() as admin:
        admin.execute(
            "CREATE FUNCTION welcome() RETURNS event_trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE NOTICE 'You are welcome!'; END $$;"
            "CREATE EVENT TRIGGER welcomes ON login EXECUTE FUNCTION welcome()"
        )
        try:
            assert _psql(open_place, "SELECT 1") == "NOTICE:  You are welcome!\n"
        finally:
            admin.execute("DROP EVENT TRIGGER welcomes; DROP FUNCTION welcome")
