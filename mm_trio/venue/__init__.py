"""Boundary to the venue: its wire, the SDK, and the bridge from the SDK's threads."""
