"""What may befall a run, done to the real scripts, and that nothing is lost by it."""
