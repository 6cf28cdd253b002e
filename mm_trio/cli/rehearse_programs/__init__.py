"""Programs of `rehearse`."""
