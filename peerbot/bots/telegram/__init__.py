"""Telegram: the adapter between its Bot API and the ports of core.doors."""
