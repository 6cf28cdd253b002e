"""How figures look: scales, pictures, tables, one page that stands alone."""
