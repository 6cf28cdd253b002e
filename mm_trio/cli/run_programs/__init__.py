"""Run of a maker: how it is opened, what runs beside it, and how it ends."""
