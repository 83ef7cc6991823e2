"""Making every number of a result again from the stored predictions and sets.

What a hash cannot show is shown here: that figures follow from what they were made
of, also where somebody has changed a file and its hash. Not shown is what comes before
the stored files: that a network gave these predictions, on these cases.
"""
