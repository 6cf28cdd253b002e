"""Sockets that the event loop reads and writes itself, in place of the SDK's threads."""
