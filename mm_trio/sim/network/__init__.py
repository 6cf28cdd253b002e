"""Virtual network between maker and exchange."""
