"""Keys of agents: how they are made, approved and replaced."""
