"""Presentation of figures: text, tables, pictures, one HTML file."""
