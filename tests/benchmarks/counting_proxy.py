"""An HTTP proxy in front of one server that counts the requests."""

import contextlib
import http.client
import http.server
import threading


@contextlib.contextmanager
def counting_proxy(port):
    """Forwards each POST to the server on `port`. Yields the port of the proxy and a list that gets one item per request."""
    requests = []

    class Forward(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            requests.append(self.headers.get("x-amz-target"))
            connection = http.client.HTTPConnection("127.0.0.1", port)
            connection.request("POST", self.path, body, dict(self.headers))
            response = connection.getresponse()
            content = response.read()
            connection.close()
            self.send_response(response.status)
            for name, value in response.getheaders():
                if name.lower() not in ("content-length", "connection", "transfer-encoding", "date", "server"):
                    self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Forward)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    try:
        yield proxy.server_address[1], requests
    finally:
        proxy.shutdown()
        proxy.server_close()
