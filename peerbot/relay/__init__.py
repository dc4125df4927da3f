"""Store and forward of ciphertext: the server and its client."""
