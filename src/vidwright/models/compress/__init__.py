"""Networks that take part in compression."""
