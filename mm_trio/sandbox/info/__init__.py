"""Answers to `/info` requests, in the venue's JSON."""
