"""WebSocket channels and who is subscribed to them."""
