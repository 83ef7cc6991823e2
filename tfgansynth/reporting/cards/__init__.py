"""Cards: what others must know of a synthetic set or a generator before they use it."""
