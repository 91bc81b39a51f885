def app(environ, start_response):
    """Answers a request for /N, for which it needs N MiB of memory."""
    data = b"x" * (int(environ["PATH_INFO"].strip("/") or 0) << 20)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d MiB\n" % (len(data) >> 20)]
