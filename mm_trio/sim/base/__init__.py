"""Seeds, traces and reports that the simulation builds on."""
