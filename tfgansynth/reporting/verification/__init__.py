"""Recomputing every number of a result from the stored predictions and sets.

What a hash cannot show is shown here: that figures follow from what they were made
of, also where somebody has sealed a changed file anew. Not shown is what lies before
the stored files: that a network gave these answers, on these cases.
"""
