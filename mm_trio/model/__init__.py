"""The words: immutable values that all other folders share."""
