"""What the program stands on: storage, checkpoints, devices, signals, timing."""
