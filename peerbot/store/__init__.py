"""What is kept in databases: the vault and the relay log."""
