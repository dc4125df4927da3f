"""Tests of the terminal UI, on real nodes around a relay in this process."""
