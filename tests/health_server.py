"""usage: python -m tests.health_server SERVING|NOT_SERVING     prints its port

A grpc.health.v1 server in a process of its own, on every address, until its standard input ends.
"""

from __future__ import annotations

import asyncio
import sys

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import StreamEnded

from podrun.probe.wire import framed

STATUSES = ("UNKNOWN", "SERVING", "NOT_SERVING")


async def serve(status: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        http = H2Connection(H2Configuration(client_side=False))
        http.initiate_connection()
        while data := await reader.read(65536):
            for event in http.receive_data(data):
                if isinstance(event, StreamEnded):
                    stream = event.stream_id or 1
                    http.send_headers(stream, [(":status", "200")])
                    http.send_data(stream, framed(bytes([8, STATUSES.index(status)])))
                    http.send_headers(stream, [("grpc-status", "0")], end_stream=True)
            writer.write(http.data_to_send())
        writer.close()

    server = await asyncio.start_server(answer, "0.0.0.0", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, ended.set)
    await ended.wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
