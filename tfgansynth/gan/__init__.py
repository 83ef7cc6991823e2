"""The generator of pairs: networks, losses, training step, training, export."""
