"""From a trained generator to a clean synthetic set of pairs."""
