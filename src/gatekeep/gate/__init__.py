"""The only way from a client's bytes to a target."""
