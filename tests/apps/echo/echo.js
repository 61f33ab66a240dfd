// node echo.js PORT: answers any request with what it was asked.
const http = require("node:http");

const server = http.createServer({ maxHeaderSize: 128 * 1024, keepAliveTimeout: 20_000 }, (request, response) => {
  const target = encodeURI(request.url).replaceAll("%25", "%");
  if (request.headers["x-close"]) response.setHeader("Connection", "close");
  const body = `echo:${target}:end\n`;
  response.writeHead(200, { "Content-Type": "text/plain", "Content-Length": body.length, "X-Echo-Target": target });
  response.end(body);
});
server.maxHeadersCount = 0;
server.listen(Number(process.argv[2]), "127.0.0.1");
