"""The virtual network between maker and exchange."""
