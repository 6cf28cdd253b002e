"""The exchange in the shape of the SDK's objects, in one process."""
