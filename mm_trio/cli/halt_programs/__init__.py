"""Programs that stop a maker, or let a stopped one go on."""
