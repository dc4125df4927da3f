"""Words for people: sentences for error codes, and their translations."""
