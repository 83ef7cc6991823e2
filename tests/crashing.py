"""A program that ends in the way that its command line names."""

import json
import os
import signal
import sys
import time

from tfgansynth.runtime.processes.isolation import limit_memory


def main() -> None:
    limit_memory()
    way, *rest = sys.argv[1:]
    print("noise", file=sys.stderr)
    if way == "print":
        print(json.dumps({}))
    elif way == "variable":
        assert os.environ["A_NAME"] == "x"
    elif way == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif way == "abort":
        os.abort()
    elif way == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif way == "kill once":
        if not os.path.exists(rest[0]):
            open(rest[0], "x").close()
            os.kill(os.getpid(), signal.SIGKILL)
    elif way == "hang":
        time.sleep(600)
    elif way == "allocate":
        print(len(bytearray(int(rest[0]))))
    else:
        raise RuntimeError


if __name__ == "__main__":
    main()
