"""`python -m demo.live`: from its first moment on, Ctrl-C ends it with a word instead of a traceback."""

import signal
import sys
import time

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    code = 0
    try:
        from demo.live.command import main

        code = main(wall_clock=time.time)
    except KeyboardInterrupt:
        sys.stderr.write("live: stopped; nothing is left running\n")
    sys.exit(code)
