"""From a sign-in to an arrival: who, where to, proven how, and what a certificate demands."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from support import builders

from gatekeep.protocols.ssh.login_name import LoginName
from gatekeep.proxies.ssh.arrivals import Arrival
from gatekeep.proxies.ssh.entrance import Entrance
from gatekeep.proxies.ssh.front import Introduced

LOGIN = LoginName("alice", "deploy", "web-1")


def arrived(introduced: Introduced | None, version: bytes = b"SSH-2.0-x") -> list[Arrival]:
    """What an entrance lets in."""
    came: list[Arrival] = []

    class Watched(Entrance):
        def enter(self, arrival: Arrival) -> None:
            came.append(arrival)

    ports: Any = None
    entrance = Watched(ports, ports, "10.1.4.7", lambda: None)
    entrance.introduced = introduced
    connection: Any = SimpleNamespace(get_extra_info=lambda _name, _default: version)
    entrance.connection = connection
    entrance.auth_completed()
    return came


def test_a_proven_principal_arrives_as_its_log_in_name_says() -> None:
    """The second factor shows in the method; what a certificate demands goes along."""
    (arrival,) = arrived(
        Introduced(
            builders.principal("alice"), "id 7", "certificate", 5, LOGIN, 99, "uptime",
            frozenset({"pty"}),
        )
    )  # fmt: skip
    assert (arrival.principal.name, arrival.account, arrival.target) == ("alice", "deploy", "web-1")
    assert (arrival.method, arrival.token_id, arrival.ends_us) == ("certificate+code", "id 7", 99)
    assert (arrival.forced_command, arrival.forbidden) == ("uptime", {"pty"})
    assert not arrival.jumped


def test_nobody_arrives_without_a_proof() -> None:
    """Whatever the library says."""
    assert arrived(None) == []


def test_a_clients_version_is_made_harmless() -> None:
    """It is shown to reviewers."""
    (arrival,) = arrived(Introduced(builders.principal("alice"), "", "key", 0, LOGIN), b"SSH-2.0-\x1b]0;x\x07")
    assert arrival.client.isprintable()
