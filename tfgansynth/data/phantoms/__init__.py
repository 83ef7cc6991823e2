"""Built-in procedural chest phantoms."""
