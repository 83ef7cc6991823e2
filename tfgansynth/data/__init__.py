"""Where labelled cases come from, how they are checked, split and served."""
