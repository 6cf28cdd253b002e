"""The exchange core: orders in, effects out, no clock and no I/O."""
