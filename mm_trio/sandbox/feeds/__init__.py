"""WebSocket channels and their subscriptions."""
