"""What the page shows, and how it comes to the browser."""
