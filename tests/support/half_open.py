"""A flood of connections that never sign in, in a process of its own.

`python half_open.py PORT COUNT TLS_CA [ADDRESS...]` opens them from these addresses in turn: one
says nothing, the next sends half a start-up packet, and so on; with a CA (or "-") each does its TLS
hand-shake first. Prints `held` once all were opened, and holds them until its input ends.
"""

from __future__ import annotations

import resource
import socket
import ssl
import struct
import sys

HALF = struct.pack("!II", 40, 3 << 16) + b"user\0al"
SSL_REQUEST = struct.pack("!II", 8, 80877103)


def main(port: int, count: int, ca: str, addresses: list[str]) -> None:
    """Open, say so, hold."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    context = ssl.create_default_context(cafile=ca) if ca != "-" else None
    held = []
    for number in range(count):
        own = addresses[number % len(addresses)]
        one = socket.create_connection(("127.0.0.1", port), 60, (own, 0))
        if context is not None:
            one.sendall(SSL_REQUEST)
            one.recv(1)
            one = context.wrap_socket(one, server_hostname="127.0.0.1")
        if number // len(addresses) % 2:
            one.sendall(HALF)
        held.append(one)
    sys.stdout.write("held\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])
