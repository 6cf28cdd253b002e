"""The exchange behind HTTP and WebSocket on loopback, with its control room."""
