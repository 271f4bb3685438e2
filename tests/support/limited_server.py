"""A server that may open few files: `limited_server.py FILES serve ...`."""

import resource
import sys

from ringfence.cli import main

if __name__ == "__main__":
    files = int(sys.argv.pop(1))
    resource.setrlimit(resource.RLIMIT_NOFILE, (files // 2, files))
    main()
