"""A good script: 64 connections to the origin, writes pipelined a hundred at a time. Prints items per second.

    pipelined.py ORIGIN-URL REDIS-PORT ITEMS
"""

import asyncio
import sys
import time

import aiohttp
import redis.asyncio

CONNECTIONS = 64
PIPELINE = 100


async def main(origin, port, items):
    numbers = iter(range(1, items + 1))
    loaded = asyncio.Queue(maxsize=10 * PIPELINE)
    server = redis.asyncio.Redis(port=port)
    await server.ping()

    async def fetch(session):
        for number in numbers:
            async with session.get(f"{origin}/raw/{number}") as response:
                response.raise_for_status()
                await loaded.put((number, await response.read()))

    async def store():
        for start in range(0, items, PIPELINE):
            pipeline = server.pipeline(transaction=False)
            for _ in range(min(PIPELINE, items - start)):
                number, body = await loaded.get()
                pipeline.set(f"one:{number}", body, ex=3600)
            await pipeline.execute()

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS)) as session:
        begin = time.perf_counter()
        await asyncio.gather(store(), *(fetch(session) for _ in range(CONNECTIONS)))
        print(items / (time.perf_counter() - begin))
    await server.aclose()


asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
