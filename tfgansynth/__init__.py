"""Learn to generate (medical image, mask) pairs, and test whether they help."""
