"""Tests of the protocol; docs/protocol.md numbers the checks, docs/attacks.md the attacks."""
