"""End-to-end encrypted peer-support circles."""
