"""What of a plan is sent, in which order, and what the answers say."""
