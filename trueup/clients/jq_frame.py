"""How a question and an answer travel between a worker and the process that runs jq: a length, and JSON."""

from __future__ import annotations

import struct

#: The length of what follows, in bytes.
HEAD = struct.Struct("!I")
