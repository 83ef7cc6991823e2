"""The engine that finds copies: equal, altered, and how near to being one.

- The data check and the check of the split (`duplicates`) ask which *files* show one
  picture, perhaps inverted, turned or cropped. They need a yes or no: `registration`
  aligns the pairs whose `keypoints` agree, and scores their fine details.
- The memorization audit (`assessment.memorization`) asks the same of each *generated
  image* and the training cases, and how near each pair is to each training case:
  `distances` correlates at all small shifts.

The leakage guard has only the hashes of cases: `dataset.shared_cases` compares them.
"""
