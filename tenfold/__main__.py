"""`python -m tenfold …`: the same as the `tenfold` command."""

import sys

from tenfold.cli import main

sys.exit(main())
