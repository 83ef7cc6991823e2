"""Processes of their own, and leases between processes."""
