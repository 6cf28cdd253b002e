"""What a monitoring system is told of a maker: figures, and whether it is well."""
