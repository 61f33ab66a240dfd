"""Answers any request with what it was asked, by one of Python's servers.

    python3 echo.py SERVER PORT

A name in `SERVERS` is a server as its own project says to start it, with room for heads of 64 KiB and connections that
are kept. The answer repeats the target as the application was told it, percent-encoded, in `X-Echo-Target` and in its body.
"""

import asyncio
import sys
import urllib.parse

HEAD = 128 * 1024
THREADS = 24
KEPT_S = 20
SAFE = "/?=&;,:@!$'()*+~#[]%"


def plain(target):
    return urllib.parse.quote(target, safe=SAFE)


def body(target):
    return f"echo:{target}:end\n".encode()


def wsgi(environ, start_response):
    raw = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    if raw is None:
        query = environ.get("QUERY_STRING")
        raw = environ.get("PATH_INFO", "") + (f"?{query}" if query else "")
    target = plain(raw.encode("latin-1", "replace"))
    content = body(target)
    fields = [("Content-Type", "text/plain"), ("Content-Length", str(len(content))), ("X-Echo-Target", target)]
    start_response("200 OK", fields)
    return [] if environ.get("REQUEST_METHOD") == "HEAD" else [content]


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            event = (await receive())["type"]
            await send({"type": f"{event}.complete"})
            if event == "lifespan.shutdown":
                return
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close"})
        return
    raw = scope.get("raw_path") or scope["path"].encode()
    query = scope.get("query_string")
    target = plain(raw + (b"?" + query if query and b"?" not in raw else b""))
    content = body(target)
    fields = [
        (b"content-type", b"text/plain"),
        (b"content-length", str(len(content)).encode()),
        (b"x-echo-target", target.encode()),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": content})


def uvicorn(port, http):
    import uvicorn

    uvicorn.run(
        asgi,
        host="127.0.0.1",
        port=port,
        http=http,
        ws="none",
        log_level="warning",
        access_log=False,
        timeout_keep_alive=KEPT_S,
        h11_max_incomplete_event_size=HEAD,
    )


def hypercorn(port):
    import hypercorn.asyncio
    import hypercorn.config

    config = hypercorn.config.Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.h11_max_incomplete_size = HEAD
    config.keep_alive_timeout = KEPT_S
    asyncio.run(hypercorn.asyncio.serve(asgi, config))


def gunicorn(port, worker):
    import gunicorn.app.base

    options = {
        "bind": f"127.0.0.1:{port}",
        "worker_class": worker,
        "workers": 1 if worker == "gthread" else 6,
        "threads": THREADS if worker == "gthread" else 1,
        "keepalive": KEPT_S,
        "timeout": KEPT_S,
        "graceful_timeout": 1,
        "limit_request_line": 0,
        "limit_request_fields": 1000,
        "limit_request_field_size": 0,
        "loglevel": "error",
        "control_socket_disable": True,
    }

    class Application(gunicorn.app.base.BaseApplication):
        def load_config(self):
            for name, value in options.items():
                if name in self.cfg.settings:
                    self.cfg.set(name, value)

        def load(self):
            return wsgi

    Application().run()


def aiohttp(port):
    from aiohttp import web

    async def handle(request):
        target = plain(request.raw_path.encode("utf-8", "surrogateescape"))
        return web.Response(body=body(target), headers={"X-Echo-Target": target}, content_type="text/plain")

    async def serve():
        server = web.Server(
            handle, max_line_size=HEAD, max_field_size=HEAD, max_headers=1000, keepalive_timeout=KEPT_S
        )
        runner = web.ServerRunner(server)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await asyncio.Event().wait()

    asyncio.run(serve())


def waitress(port):
    import waitress

    waitress.serve(
        wsgi,
        host="127.0.0.1",
        port=port,
        threads=THREADS,
        max_request_header_size=HEAD,
        connection_limit=1000,
        channel_timeout=KEPT_S,
    )


def tornado(port):
    from tornado import httpserver, httputil, ioloop

    def handle(request):
        target = plain(request.uri.encode("latin-1", "replace"))
        content = body(target)
        fields = {"Content-Type": "text/plain", "Content-Length": str(len(content)), "X-Echo-Target": target}
        first = httputil.ResponseStartLine("", 200, "OK")
        content = b"" if request.method == "HEAD" else content
        request.connection.write_headers(first, httputil.HTTPHeaders(fields), content)
        request.connection.finish()

    async def serve():
        server = httpserver.HTTPServer(handle, max_header_size=HEAD, idle_connection_timeout=KEPT_S)
        server.listen(port, "127.0.0.1")
        await asyncio.Event().wait()

    asyncio.run(serve())


def cheroot(port):
    from cheroot import wsgi as cheroot_wsgi

    server = cheroot_wsgi.Server(("127.0.0.1", port), wsgi, numthreads=THREADS, timeout=KEPT_S)
    server.max_request_header_size = HEAD
    server.start()


def werkzeug(port):
    from werkzeug import serving

    class Handler(serving.WSGIRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = KEPT_S

        def log(self, *_):
            pass

    serving.run_simple("127.0.0.1", port, wsgi, threaded=True, request_handler=Handler)


SERVERS = {
    "uvicorn-h11": lambda port: uvicorn(port, "h11"),
    "uvicorn-httptools": lambda port: uvicorn(port, "httptools"),
    "hypercorn": hypercorn,
    "gunicorn-sync": lambda port: gunicorn(port, "sync"),
    "gunicorn-gthread": lambda port: gunicorn(port, "gthread"),
    "aiohttp": aiohttp,
    "waitress": waitress,
    "tornado": tornado,
    "cheroot": cheroot,
    "werkzeug": werkzeug,
}

if __name__ == "__main__":
    SERVERS[sys.argv[1]](int(sys.argv[2]))
