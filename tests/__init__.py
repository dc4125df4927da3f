"""The tests: each states a behaviour in words and shows what can go wrong."""
