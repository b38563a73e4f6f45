"""The lobby: who has to leave when somebody new comes."""

from __future__ import annotations

from gatekeep.proxies.lobby import Lobby


def test_the_oldest_of_the_same_address_makes_room() -> None:
    """A flood sheds its own connections, not those of others."""
    shed: list[str] = []
    lobby = Lobby(per_address=2, total=10)
    lobby.enter("192.0.2.1", lambda: shed.append("other"))
    for name in ("first", "second", "third"):
        lobby.enter("198.51.100.1", lambda name=name: shed.append(name))
    assert shed == ["first"]
    assert len(lobby) == 3


def test_in_total_the_oldest_of_all_makes_room() -> None:
    """Who signs in takes milliseconds; who has waited longest is the least likely to."""
    shed: list[int] = []
    lobby = Lobby(per_address=2, total=3)
    for number in range(5):
        lobby.enter(f"192.0.2.{number}", lambda number=number: shed.append(number))
    assert shed == [0, 1]
    assert len(lobby) == 3


def test_an_ipv6_network_is_one_address() -> None:
    """Whoever has a /64 has 2^64 addresses."""
    shed: list[int] = []
    lobby = Lobby(per_address=1, total=10)
    for number in range(2):
        lobby.enter(f"2001:db8::{number}", lambda number=number: shed.append(number))
    assert shed == [0]


def test_leaving_is_counted_once() -> None:
    """And the same visitor may be told to leave twice."""
    lobby = Lobby(per_address=1, total=1)
    visitor = lobby.enter("192.0.2.1", lambda: None)
    lobby.leave(visitor)
    lobby.leave(visitor)
    assert len(lobby) == 0
    lobby.enter("192.0.2.1", lambda: None)
    assert len(lobby) == 1


def test_behind_a_proxy_only_the_total_counts_until_it_is_known_for_whom() -> None:
    """Then the connection is one of that address; one that was shed meanwhile is nobody's."""
    shed: list[int] = []
    lobby = Lobby(per_address=1, total=3)
    visitors = [lobby.enter(None, lambda number=number: shed.append(number)) for number in range(3)]
    assert shed == []
    for visitor in visitors[1:]:
        lobby.belongs(visitor, "192.0.2.1")
    assert shed == [1]
    lobby.enter(None, lambda: None)
    lobby.enter(None, lambda: None)
    assert shed == [1, 0]
    lobby.belongs(visitors[0], "192.0.2.1")
    assert (shed, len(lobby)) == ([1, 0], 3)
