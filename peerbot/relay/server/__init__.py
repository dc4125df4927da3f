"""The relay over HTTP and WebSocket."""
