"""`python -m demo.deploy`: from its first moment on, Ctrl-C ends it with a word instead of a traceback."""

import signal
import sys

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        from demo.deploy.command import main

        code = main()
    except KeyboardInterrupt:
        sys.stderr.write("deploy: stopped; nothing is left running\n")
        code = 130
    sys.exit(code)
