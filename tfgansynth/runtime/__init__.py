"""What every stage needs from the system: files, devices, signals, progress, timing.

Reading order:

- `storage`: files that are either complete or absent; `weights`: arrays in files;
  `checkpoints`: saved states.
- `devices`: the machine, number formats, import of TensorFlow; `kernels`: convolutions.
- `signals`: Ctrl-C and other signals; `isolation`: code in a process of its own.
- `progress`: what a tool shows of a long job; `timing`: where its time goes.
- `tensorboard`: event files; `stage`: what a training needs beside its data.
"""
