"""Databases: what is durable, and what a failure may touch."""
