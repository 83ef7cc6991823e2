"""The U-Net that judges training sets: network, stopping rule, training."""
