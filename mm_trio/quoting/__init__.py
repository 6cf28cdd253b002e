"""Rules for desired orders and safe sends, without I/O."""
