"""HTTP: the API on the Unix socket, health and metrics."""
