"""Durable state behind ports."""
