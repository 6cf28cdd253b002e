"""Reports: facts of a period gathered, and told in words, tables and pictures."""
