"""The terminal UI: screens and widgets over one node. Needs no import of relay or store."""
