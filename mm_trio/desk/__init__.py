"""What a person sees of a running maker: one frozen snapshot, and the screens that show it."""
