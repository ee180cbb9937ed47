"""`python -m demo`: from its first moment on, Ctrl-C ends it with a word instead of a traceback."""

import sys

if __name__ == "__main__":
    try:
        from demo.command import main

        code = main()
    except KeyboardInterrupt:
        sys.stderr.write("demo: stopped; nothing is left running\n")
        code = 130
    sys.exit(code)
