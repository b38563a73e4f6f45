"""Sockets and back-pressure only."""
