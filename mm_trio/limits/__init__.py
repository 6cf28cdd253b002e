"""What is never signed, and when everything stops. Pure."""
