#!/usr/bin/env python3
"""An OpenAI server that answers at once, and stamps arrivals on a clock that no worker can move.

A time namespace moves CLOCK_MONOTONIC and leaves CLOCK_REALTIME, so that is what the kernel stamps here: SO_TIMESTAMPNS, the
arrival of the segment that completed the request, whatever this program was at. Requests are told apart by the number in
their prompt ("question 17").

  referee.py            prints `listening on PORT`
  GET  /referee         the arrivals since the last reset, JSON: {"arrivals": [[number, realtime_ns], …], "clocks": […]}
  POST /referee/reset   forgets them
"""

import json
import re
import select
import socket
import struct
import time

SO_TIMESTAMPNS = 35  # asm-generic/socket.h; Python has no name for it
NUMBER = re.compile(rb"question (\d+)")
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def chunk(text):
    return b"%x\r\n%s\r\n" % (len(text), text)


def event(value):
    return chunk(b"data: " + json.dumps(value).encode() + b"\n\n")


def answer():
    """Two tokens, the usage, the end: the bytes of every answer, made once."""
    head = {"id": "r", "object": "chat.completion.chunk", "created": 1, "model": "referee"}
    pieces = [
        {**head, "choices": [{"index": 0, "delta": {"role": "assistant", "content": "a"}, "finish_reason": None}]},
        {**head, "choices": [{"index": 0, "delta": {"content": "b"}, "finish_reason": "stop"}]},
        {**head, "choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6}},
    ]
    events = b"".join(event(piece) for piece in pieces) + chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"
    return b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n" + events


ANSWER = answer()


def whole(status, value):
    body = json.dumps(value).encode()
    return b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % (status, len(body)) + body


def clocks():
    """(realtime, monotonic) of one moment, ns: the tightest of a few readings."""
    def reading():
        before = time.clock_gettime_ns(time.CLOCK_REALTIME)
        monotonic = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        after = time.clock_gettime_ns(time.CLOCK_REALTIME)
        return after - before, (before + after) // 2, monotonic

    _, real, monotonic = min(reading() for _ in range(50))
    return [real, monotonic]


class Referee:
    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.listener.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.listener.setblocking(False)
        self.poll = select.epoll()
        self.poll.register(self.listener, select.EPOLLIN)
        self.connections = {}
        self.reset()

    def reset(self):
        self.arrivals = []
        self.clocks = [clocks()]

    def serve(self):
        print(f"listening on {self.listener.getsockname()[1]}", flush=True)
        while True:
            for number, _ in self.poll.poll():
                if number == self.listener.fileno():
                    self.accept()
                else:
                    self.read(number)

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except BlockingIOError:
                return
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            self.connections[connection.fileno()] = (connection, bytearray())
            self.poll.register(connection, select.EPOLLIN)

    def read(self, number):
        connection, buffered = self.connections[number]
        try:
            data, ancillary, _, _ = connection.recvmsg(65536, 64)
        except BlockingIOError:
            return
        except ConnectionError:
            data, ancillary = b"", []
        if not data:
            del self.connections[number]
            connection.close()
            return
        stamps = [value for level, kind, value in ancillary if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS)]
        if not stamps:
            raise RuntimeError("the kernel stamps no segment")
        seconds, nanoseconds = struct.unpack("qq", stamps[0])
        buffered += data
        while self.take(connection, buffered, seconds * 10**9 + nanoseconds):
            pass

    def take(self, connection, buffered, stamp):
        """Answers the first whole request in the buffer; False where there is none."""
        end = buffered.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = bytes(buffered[:end])
        length = LENGTH.search(head)
        size = end + 4 + (int(length[1]) if length else 0)
        if len(buffered) < size:
            return False
        body = bytes(buffered[end + 4 : size])
        del buffered[:size]
        self.send(connection, self.reply(head.split(b"\r\n", 1)[0], body, stamp))
        return True

    def reply(self, line, body, stamp):
        method, path = line.split(b" ")[:2]
        if path == b"/v1/chat/completions":
            number = NUMBER.search(body)
            self.arrivals.append([int(number[1]) if number else -1, stamp])
            return ANSWER
        if path == b"/v1/models":
            return whole(b"200 OK", {"object": "list", "data": [{"id": "referee", "object": "model"}]})
        if path == b"/referee":
            return whole(b"200 OK", {"arrivals": self.arrivals, "clocks": self.clocks + [clocks()]})
        if (method, path) == (b"POST", b"/referee/reset"):
            self.reset()
            return whole(b"200 OK", {})
        return whole(b"404 Not Found", {})

    def send(self, connection, data):
        # Some hundred bytes fit into any socket; the list of arrivals may not.
        try:
            connection.setblocking(True)
            connection.settimeout(10)
            connection.sendall(data)
            connection.setblocking(False)
        except OSError:
            pass  # the reader will meet its end


if __name__ == "__main__":
    Referee().serve()
