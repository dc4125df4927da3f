"""The demo community, reached only by `peerbot demo` and tests."""
