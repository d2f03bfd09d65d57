"""The connections that a server closes if there are too many."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fairlead.runtime.connections import Connections, Limits


class Peer:
    def __init__(self) -> None:
        self.open = True

    def abort(self) -> None:
        self.open = False


def test_the_oldest_unauthenticated_connection_goes_first() -> None:
    connections, peers = Connections(Limits(2, 2)), [Peer() for _ in range(4)]
    for peer in peers:
        connections.add(peer)
    assert [peer.open for peer in peers] == [False, False, True, True]


def test_unauthenticated_connections_never_push_out_authenticated_connections() -> None:
    connections, good = Connections(Limits(2, 2)), Peer()
    connections.add(good)
    connections.authenticated(good, "jane")
    for _ in range(100):
        connections.add(Peer())
    assert good.open
    assert len(connections) == 3


def test_a_user_with_many_connections_loses_them_and_no_other_user_does() -> None:
    connections, good, greedy = Connections(Limits(1, 3)), Peer(), [Peer() for _ in range(9)]
    for peer, user in ((good, "jane"), *((peer, "max") for peer in greedy)):
        connections.add(peer)
        connections.authenticated(peer, user)
    assert good.open
    assert [peer.open for peer in greedy] == [False] * 7 + [True] * 2


def test_a_quarter_of_the_descriptors_is_left_to_other_uses() -> None:
    assert Limits().within(1 << 20) == Limits()
    assert Limits().within(1024) == Limits(256, 512)
    assert Limits().within(4) == Limits(1, 2)


@given(st.lists(st.tuples(st.sampled_from(["add", "jane", "max", "remove", "close_oldest"]), st.integers(0, 7))))
def test_the_limits_hold_after_any_steps(
    steps: list[tuple[str, int]],
) -> None:
    connections, peers = Connections(Limits(3, 4)), list[Peer]()
    for what, number in steps:
        if what == "add":
            peers.append(Peer())
            connections.add(peers[-1])
        elif what == "close_oldest":
            connections.close_oldest()
        elif peers and what == "remove":
            peer = peers.pop(number % len(peers))
            connections.remove(peer)
        elif peers:
            connections.authenticated(peers[number % len(peers)], what)
        assert len(connections) == sum(peer.open for peer in peers) <= 7
