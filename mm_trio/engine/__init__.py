"""The tasks of a running maker: who runs when, who sends, who asks."""
