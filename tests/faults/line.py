"""`python line.py NAME SECONDS LOSS`: a network device that gives back what it takes, later, and not all of it.

It stands in for netem, which not every kernel has. What is routed into it comes out of it again.
"""

import fcntl
import os
import struct
import sys
from collections import deque
from random import Random
from select import select
from time import monotonic

_TUNSETIFF = 0x400454CA
_PACKETS_WITHOUT_HEADER = 0x0001 | 0x1000
_LONGEST_PACKET = 1 << 16


def device(name: str) -> int:
    """Make it in the namespace of this process; it lasts as long as the descriptor."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH", name.encode(), _PACKETS_WITHOUT_HEADER))
    return descriptor


def carry(descriptor: int, seconds: float, loss: float, random: Random) -> None:
    """Forward packets for ever, in the order in which they came."""
    under_way: deque[tuple[float, bytes]] = deque()
    while True:
        wait = max(0.0, under_way[0][0] - monotonic()) if under_way else None
        if select([descriptor], [], [], wait)[0]:
            packet = os.read(descriptor, _LONGEST_PACKET)
            if random.random() >= loss:
                under_way.append((monotonic() + seconds, packet))
        while under_way and under_way[0][0] <= monotonic():
            os.write(descriptor, under_way.popleft()[1])


def main() -> None:
    name, seconds, loss = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
    descriptor = device(name)
    print("ready", flush=True)
    carry(descriptor, seconds, loss, Random(0))


if __name__ == "__main__":
    main()
