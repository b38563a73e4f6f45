"""What a SQL statement means: guard, parse, facts, proof, template, redaction. Pure."""
