"""Generators that travel: `export` writes one, `exported` reads one of others."""
