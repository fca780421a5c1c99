"""The few HTTP/2 frames that a hostile client needs (RFC 9113)."""

import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS = 0, 1, 4
END_STREAM, ACK, END_HEADERS = 1, 1, 4
INITIAL_WINDOW_SIZE = 4
# The window of a new connection. Only the server can make it larger.
WINDOW = 65535
FRAME_LIMIT = 16384


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def settings(initial_window=None):
    payload = b"" if initial_window is None else struct.pack(">HI", INITIAL_WINDOW_SIZE, initial_window)
    return frame(SETTINGS, 0, 0, payload) + frame(SETTINGS, ACK, 0)


def post(stream):
    """The headers of `POST /mutate`. They use HPACK's static table and no compression (RFC 7541)."""

    def literal(index, text):
        return (bytes([index]) if index < 15 else bytes([15, index - 15])) + bytes([len(text)]) + text

    return frame(HEADERS, END_HEADERS, stream,
                 b"\x83\x87" + literal(4, b"/mutate") + literal(1, b"localhost") + literal(31, b"application/json"))


def data(stream, body, size=FRAME_LIMIT, last=True):
    """`body` in frames of `size` bytes."""
    parts = [body[at:at + size] for at in range(0, len(body), size)]
    return b"".join(frame(DATA, END_STREAM if last and n == len(parts) - 1 else 0, stream, part) for n, part in enumerate(parts))
