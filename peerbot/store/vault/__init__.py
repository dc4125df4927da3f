"""One person's encrypted store: SQLCipher, one writer, rows keyed by log position."""
