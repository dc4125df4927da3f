"""Use cases over ports; no input or output of their own."""
