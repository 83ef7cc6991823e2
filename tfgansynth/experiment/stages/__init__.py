"""What each kind of stage computes and writes into its folder."""
