"""Exchange with the interface of the SDK, in one process."""
