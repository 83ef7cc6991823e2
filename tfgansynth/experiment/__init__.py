"""The experiment, stage by stage, from cases to table. Paper: section IV.

Each stage of a fold looks whether its result is there, makes it if not, and leaves
it complete in the run folder: a chain that was interrupted goes on where it was.
"""
