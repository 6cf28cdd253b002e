"""Messages of the venue: how a field is read, and what frames and rows become."""
