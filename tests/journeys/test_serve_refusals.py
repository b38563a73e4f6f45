"""What `serve` and `check` refuse to start with, and whom the health door refuses to answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import yaml
from support.gateway import Gateway
from support.http_door import get
from support.postgres_server import PostgresServer
from support.running_gateway import own_database, running_gateway


@pytest.fixture
def stopped(postgres_server: PostgresServer) -> Iterator[Gateway]:
    """A gateway whose files are written and which does not run."""
    with running_gateway(postgres_server, start=False) as made:
        made._configure()
        yield made


@pytest.fixture
def running(postgres_server: PostgresServer) -> Iterator[Gateway]:
    """A running gateway."""
    with (
        own_database(postgres_server) as database,
        running_gateway(postgres_server, database=database) as made,
    ):
        yield made


def _edit(path: Path, change: Callable[[dict[str, object]], object]) -> None:
    content = yaml.safe_load(path.read_text())
    change(content)
    path.write_text(yaml.safe_dump(content))


def _settings(gateway: Gateway) -> str:
    _edit(gateway.config, lambda content: content.update(statedir="/nowhere"))
    return "statedir"


def _settings_type(gateway: Gateway) -> str:
    _edit(gateway.config, lambda content: content.update(drain_s="long"))
    return "drain_s"


def _target_kind(gateway: Gateway) -> str:
    file = gateway.config.parent / "targets.yaml"
    file.write_text(file.read_text().replace("kind: postgres", "kind: oracle"))
    return "oracle"


def _secret(gateway: Gateway) -> str:
    (gateway.directory / "secret-postgres").unlink()
    return "secret-postgres"


def _principals(gateway: Gateway) -> str:
    _edit(gateway.config.parent / "principals.yaml", lambda content: content.update(extra=1))
    return "principals.yaml"


def _policy(gateway: Gateway) -> str:
    file = gateway.config.parent / "policy" / "test.cedar"
    file.write_text(
        file.read_text() + '\n@id("typo")\n@why("w")\nforbid(principal, acton, resource);\n'
    )
    return "test.cedar"


def _no_yaml(gateway: Gateway) -> str:
    (gateway.config.parent / "targets.yaml").write_text("targets: [\n")
    return "targets.yaml"


WRONG = [_settings, _settings_type, _target_kind, _secret, _principals, _policy, _no_yaml]


@pytest.mark.parametrize("damage", WRONG)
def test_a_wrong_file_is_one_readable_error(
    stopped: Gateway, damage: Callable[[Gateway], str]
) -> None:
    """`check` is not 0 and `serve` is 78; both name what is wrong and say what to try."""
    assert stopped.run("check").returncode == 0
    word = damage(stopped)
    checked = stopped.run("check")
    assert checked.returncode != 0, checked.stdout
    assert word in checked.stdout + checked.stderr, checked.stdout + checked.stderr
    served = stopped.run("serve")
    assert served.returncode == 78, served.stdout + served.stderr
    assert "gatekeep: " in served.stderr
    assert word in served.stderr
    assert "try: " in served.stderr, served.stderr
    assert "Traceback" not in checked.stderr + served.stderr


def test_a_taken_port_is_said(running: Gateway, postgres_server: PostgresServer) -> None:
    """A second gateway with the first one's port names the port and what to try."""
    for setting in ("postgres", "http"):
        door = "postgres" if setting == "postgres" else "health"
        port = running.ready["doors"][door]["port"]
        with running_gateway(
            postgres_server, start=False, extra_settings={setting: {"port": port}}
        ) as second:
            second._configure()
            served = second.run("serve")
            assert served.returncode == 78, served.stderr
            assert str(port) in served.stderr
            assert "try: " in served.stderr
            assert "failed inside" not in served.stderr


def test_the_health_door_answers_its_own_names_only(running: Gateway) -> None:
    """A foreign Host or Origin is refused on each path; what is served names nobody and nothing."""
    with psycopg.connect(running.dsn(), autocommit=True) as client:
        client.execute("SELECT 'something private'")
        for path in ("/healthz", "/readyz", "/metrics"):
            assert get(running, path)[0] == 200
            status, said = get(running, path, Host="evil.example")
            assert 400 <= status < 500, said
            status, said = get(running, path, Origin="https://evil.example")
            assert 400 <= status < 500, said
        page = get(running, "/metrics")[1]
    assert "gatekeep_sessions_live 1" in page
    for word in ("alice", "orders", "test-all-sql", "test-open", "private", "SELECT"):
        assert word not in page
