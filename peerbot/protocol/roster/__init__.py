"""The signed, hash-chained list of who is in a circle, with which devices and rights."""
