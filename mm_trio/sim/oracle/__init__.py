"""Independent judgement of what the maker does."""
