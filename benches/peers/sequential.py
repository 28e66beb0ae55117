"""What many start with: fetch one item, store it, fetch the next. Prints items per second.

    sequential.py ORIGIN-URL REDIS-PORT ITEMS
"""

import sys
import time

import redis
import requests

origin, port, items = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
server = redis.Redis(port=port)
session = requests.Session()  # keeps its connection, which requests.get would not
session.get(f"{origin}/raw/1")
server.ping()
begin = time.perf_counter()
for number in range(1, items + 1):
    response = session.get(f"{origin}/raw/{number}")
    response.raise_for_status()
    server.set(f"one:{number}", response.content, ex=3600)
print(items / (time.perf_counter() - begin))
