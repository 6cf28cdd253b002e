"""The venue's API over one exchange core, without sockets."""
