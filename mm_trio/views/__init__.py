"""What is to be seen of a maker: frozen values, and how they are taken."""
