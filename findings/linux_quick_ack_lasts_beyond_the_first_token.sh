#!/usr/bin/env bash
# Linux: a client that sets TCP_QUICKACK until the first token acknowledges every later one too.
#
# Package  none; Linux 6.18, any Python 3
# Guess    The flag is "not permanent" (tcp(7)): what is set until the first token touches the first token alone.
# Seen     Answers of 50 tokens on a kept connection: an ordinary client sends 25 acknowledgements, one that set the flag
#          until the first token 50, and 25 again where it sets it to 0 once after that. The end of the kernel's "ping-pong"
#          mode outlives the flag.
# Matters  In a streaming client acknowledgements were a fifth of its CPU time.
set -euo pipefail
exec python3 - <<'PYTHON'
import platform, socket, struct, sys, threading, time

QUICKACK, TOKENS, SEGMENTS_OUT = 12, 50, 136  # the last: where tcp_info has tcpi_segs_out


def segments_out(connection):
    return struct.unpack_from("I", connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192), SEGMENTS_OUT)[0]


def acknowledgements(until_first, then_off):
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(3):
            connection.recv(100)
            time.sleep(0.06)
            for _ in range(TOKENS):
                connection.sendall(b"x" * 200)
                time.sleep(0.01)

    threading.Thread(target=serve, daemon=True).start()
    client, counts = socket.create_connection(listener.getsockname()), []
    for _ in range(3):
        before, received, reads = segments_out(client), 0, 0
        client.sendall(b"ask")
        if until_first:
            client.setsockopt(socket.IPPROTO_TCP, QUICKACK, 1)
        while received < 200 * TOKENS:
            received += len(client.recv(4096))
            reads += 1
            if then_off and reads == 1:
                client.setsockopt(socket.IPPROTO_TCP, QUICKACK, 0)
        counts.append(segments_out(client) - before - 1)
    return counts


found = {
    "never set": acknowledgements(False, False),
    "set until the first token": acknowledgements(True, False),
    "and off after it": acknowledgements(True, True),
}
print(f"Linux {platform.release()}, acknowledgements of three answers of {TOKENS} tokens:")
for how, counts in found.items():
    print(f"  {how}: {counts}")
kept = {how: max(counts[1:]) for how, counts in found.items()}
still = kept["set until the first token"] >= 0.9 * TOKENS
still &= all(kept[how] <= 0.6 * TOKENS for how in ("never set", "and off after it"))
print("still so" if still else "no longer so")
sys.exit(not still)
PYTHON
