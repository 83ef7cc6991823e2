"""How fast the networks train on this machine, compared with other implementations.

Reading order:

- `results`: the types of all results.
- `measurement`: one run: the machine, then each network; alternation with peers.
- `worker`: a process of its own for each implementation.
- `stepper`: timed training steps on random mini-batches.
- `ours`, `keras_peer`, `torch_peer`: the implementations.
- `machine`: hardware, versions and the measured peak rate.
- `flops`: the arithmetic of a step.
- `report`: the results as text and JSON.
"""
