"""One typed schema of all that is written, and one converter between it and JSON."""
