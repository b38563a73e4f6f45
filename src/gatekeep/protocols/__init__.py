"""Bytes to messages to actions, without sockets."""
