"""The venue's boundary: its wire, the SDK, and the bridge from the SDK's threads."""
