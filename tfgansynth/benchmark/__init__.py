"""How fast the networks train on this machine, beside their peers."""
