"""Cedar behind a port: pure evaluation, loading, lint and explanation."""
