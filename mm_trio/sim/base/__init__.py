"""Seeds, traces and reports: the ground of the simulation."""
