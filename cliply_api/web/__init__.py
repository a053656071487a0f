"""What all areas share: request facts, errors' shape, fields, pages, sessions, idempotency, limits, documentation."""
