"""The protocol: pure and synchronous."""
