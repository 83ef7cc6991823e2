"""The stages of a plan on a running Dask cluster: many machines, one command.

`client` follows the stages from where the command was started, `worker` computes one
on a machine of the cluster, and `artifacts` carries results where no storage is shared.
It needs the extra `cluster`.
"""
