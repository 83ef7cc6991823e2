"""One page that shows all a run or a study of several has found, from its files."""
