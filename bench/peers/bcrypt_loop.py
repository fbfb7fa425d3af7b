"""Python's bcrypt in a loop on every core: `bcrypt_loop.py SECONDS COST` prints hashes and seconds."""

import multiprocessing
import os
import sys
import time

import bcrypt


def hash_until(end, cost):
    hashed = 0
    while time.monotonic() < end:
        bcrypt.hashpw(b"a quiet harbour", bcrypt.gensalt(cost))
        hashed += 1
    return hashed


if __name__ == "__main__":
    seconds, cost = map(int, sys.argv[1:])
    cores = len(os.sched_getaffinity(0))
    began = time.monotonic()
    with multiprocessing.Pool(cores) as pool:
        print(sum(pool.starmap(hash_until, [(began + seconds, cost)] * cores)), time.monotonic() - began)
