"""The experiment, stage by stage, from cases to table. Paper: section IV.

`experiment_data` loads and splits the cases; `plan` and `graph` say which stages there
are; `studies` prepares several experiments; `executors` runs the stages that are not
done; `stages`, `synthetic_sets` and `assessment` compute them; `run_folder` and
`superseded` keep what is on disk.
"""
