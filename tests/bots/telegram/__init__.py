"""Tests of the Telegram adapter, against a Bot API on loopback."""
