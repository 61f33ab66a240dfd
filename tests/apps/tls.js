// An API behind TLS: tls.js PORT CERTIFICATE KEY
const fs = require("fs");
const [port, certificate, key] = process.argv.slice(2);
const identity = { cert: fs.readFileSync(certificate), key: fs.readFileSync(key) };
require("https")
  .createServer(identity, (request, response) => {
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify({ id: request.url }));
  })
  .listen(Number(port), "127.0.0.1");
