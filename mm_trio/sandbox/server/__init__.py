"""HTTP and WebSocket server on loopback, with its control room."""
