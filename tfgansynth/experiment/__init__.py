"""The experiment, stage by stage, from cases to table. Paper: section IV.

`experiment_data` loads and splits the cases and plans an experiment for each seed,
`studies` learning curves and trials; `plan` and `graph` say which stages there are;
`executors` runs those that are not done; `stages`, `synthetic_sets` and `assessment`
compute them; `run_folder` and `superseded` keep what is on disk.
"""
