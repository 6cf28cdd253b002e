"""Answers to `/info` questions, in the venue's JSON."""
