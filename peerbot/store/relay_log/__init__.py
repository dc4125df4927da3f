"""The relay's log, mailboxes and rendezvous notes in one SQLite file."""
