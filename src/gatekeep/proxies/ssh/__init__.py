"""The SSH door: sockets, channels and back-pressure around the gate."""
