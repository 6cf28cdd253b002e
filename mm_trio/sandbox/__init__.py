"""An embedded exchange that speaks the venue's protocol: for tests, simulation and the demo."""
