"""What multiprocessing's fork server imports for `Workers`, and nobody else does: it makes an end quick.

The server ends with its parent. It has nothing to put away then, and an interpreter that tears down torch
takes seconds of a processor, after the prompt is back. Its children end without that anyway.
"""

import atexit
import os

atexit.register(os._exit, 0)
