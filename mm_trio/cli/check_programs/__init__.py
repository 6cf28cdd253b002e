"""What may stop a maker, looked at before it starts."""
