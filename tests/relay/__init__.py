"""The relay: its rules, its server, its client."""
