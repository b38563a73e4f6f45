"""Policy is Cedar: schema, loading, lint, requests, evaluation, explanation. Pure: no I/O."""
