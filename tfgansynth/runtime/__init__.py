"""What every stage needs from the system: files, devices, signals, progress, timing.

Reading order:

- `storage`: files that are either complete or absent; `weights`: arrays in files;
  `checkpoints`: saved states.
- `devices`: processors, number formats, import of TensorFlow; `kernels`: convolutions.
- `machine_facts`: what a record says of them.
- `signals`: Ctrl-C and other signals; `processes`: code in its own processes, leases.
- `progress`: what a tool shows of a long job; `timing`: where its time goes.
- `tensorboard`: event files; `stage`: what a training needs beside its data.
"""
