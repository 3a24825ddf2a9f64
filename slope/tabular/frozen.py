"""What is loaded last into the process that readers are forked from, and nowhere else.

Python's collector looks at every object that there is, and writes to each: of a process that was just forked all pages
would be copied, which took a reader 20 ms. What is frozen it leaves alone.
"""

import gc

gc.collect()
gc.freeze()
