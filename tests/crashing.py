"""A program that ends in the way that its command line names."""

import json
import os
import signal
import sys
import time

from tfgansynth.runtime.isolation import limit_memory


def main() -> None:
    limit_memory()
    way, *rest = sys.argv[1:]
    print("noise", file=sys.stderr)
    if way == "echo":
        assert json.dumps({}) == "{}"
        sys.stdout.buffer.write(sys.stdin.buffer.read())
    elif way == "variable":
        sys.stdout.write(os.environ["A_NAME"])
    elif way == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif way == "abort":
        os.abort()
    elif way == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif way == "hang":
        time.sleep(600)
    elif way == "allocate":
        sys.stdout.write(str(len(bytearray(int(rest[0])))))
    else:
        raise RuntimeError


if __name__ == "__main__":
    main()
