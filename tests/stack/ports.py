"""Which of the addresses given as HOST:PORT or HOST:FIRST-LAST can be connected to from here; one line each."""

import asyncio
import sys


async def try_port(host, port, gate):
    async with gate:
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), 2)
        except OSError:
            return
        writer.close()
        print(f"{host}:{port}", flush=True)


async def main():
    gate = asyncio.Semaphore(500)
    tries = []
    for word in sys.argv[1:]:
        host, ports = word.rsplit(":", 1)
        first, _, last = ports.partition("-")
        tries += [try_port(host, port, gate) for port in range(int(first), int(last or first) + 1)]
    await asyncio.gather(*tries)


asyncio.run(main())
