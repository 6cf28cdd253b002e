"""An independent judgement of what the maker does."""
