"""An API with customers, as small as one can be and still be real: REST, JSON, forms, GraphQL, several log-ins.

    python3 accounts.py PORT LOG

It knows nothing of Rollcall. For each call it decides by its own routing which operation that is, whose account is
read and who asks, answers, and writes it down in LOG: one JSON object a line, before the answer leaves. HTTP/1.1
with keep-alive, a thread a connection; a header of the PROXY protocol in front of a connection is skipped.
"""

import base64
import email.parser
import email.policy
import http.server
import json
import re
import socketserver
import sys
import threading
import urllib.parse
import uuid

LOCK = threading.Lock()
PERSISTED = {"GetCustomer": "query GetCustomer($id: ID!) { customer(id: $id) { name } }"}


class Unknown(Exception):
    """Nothing here answers to that."""


# Accounts: any key that leads to one, and the one form that it is filed under.


def account(key):
    key = str(key)
    if re.fullmatch(r"\d+", key):
        return str(int(key))
    if "@" in key:
        return key.lower()
    try:
        return str(uuid.UUID(key)) if len(key) == 36 else key
    except ValueError:
        return key


def accounts(keys):
    return [account(key) for key in keys]


def listed(values):
    """`1,2,3`, and several of them."""
    return [one for value in values for one in value.split(",")]


# The operations.


def search(fields):
    """By the fields of a query, a form or a document: lists of values by name."""
    for name in ("ids", "ids[]"):
        if name in fields:
            return accounts(listed(fields[name]))
    for name in ("id", "customer_id", "email", "uuid", "filter[id]"):
        if name in fields:
            return accounts(listed(fields[name]))
    return []


def part(fields):
    """Which part of a list is asked for."""
    return [f"{name}={fields[name][0]}" for name in ("cursor", "offset", "page") if name in fields]


def document(data):
    """The keys in a document of JSON."""
    if isinstance(data, list):
        return [key for one in data for key in (document(one) if isinstance(one, (dict, list)) else [one])]
    if "ids" in data:
        return data["ids"]
    if "id" in data:
        return [int(data["id"]) if isinstance(data["id"], float) else data["id"]]
    if "customer" in data:
        return document(data["customer"])
    return [f"page={data['page']}"] if "page" in data else []


def customers(call):
    return search(call.query) or part(call.query)


def find(call):
    text = call.body.lstrip()
    if text[:1] in (b"{", b"["):
        return accounts(document(json.loads(text)))
    if text.startswith(b"--"):
        head = b"Content-Type: " + call.headers["Content-Type"].encode() + b"\r\n\r\n"
        message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + text)
        return search({
            one.get_param("name", header="Content-Disposition"): [one.get_payload().strip()]
            for one in message.iter_parts()
        })
    return search(urllib.parse.parse_qs(text.decode()))


def one(call, *keys):
    return ["/".join(accounts(keys))]


ROUTES = [
    ("health", r"health", lambda call: []),
    ("customers", r"v1/customers", customers),
    ("search", r"v1/customers/search", find),
    ("customer as a file", r"v1/customers/(\d+)\.json", one),
    ("several customers", r"v1/customers/(\d+(?:,\d+)+)", lambda call, keys: accounts(keys.split(","))),
    ("customer", r"v1/customers/([^/]+)", one),
    ("orders", r"v1/customers/([^/]+)/orders", one),
    ("order", r"v1/customers/([^/]+)/orders/([^/]+)", one),
    ("localised customer", r"(?:de|en-gb)/customers/([^/]+)", one),
    ("user", r"users/([^/]+)", one),
    ("profile", r"profiles/([^/]+)/full", one),
    ("report", r"internal/report", lambda call: []),
    ("badge", r"badge", lambda call: accounts(call.query.get("staff", []))),
    ("look", r"look", lambda call: accounts(listed(call.query.get("id", [])))),
]


def route(call):
    """Operation and accounts."""
    if call.path.lower() == "graphql":
        return graphql(call)
    for operation, pattern, answer in ROUTES:
        match = re.fullmatch(pattern, call.path, re.IGNORECASE)
        if match:
            return operation, answer(call, *match.groups())
    raise Unknown(call.path)


# GraphQL: as much of it as there is to ask here.


def graphql(call):
    if call.method == "GET":
        asked = {name: values[0] for name, values in call.query.items()}
        asked["variables"] = json.loads(asked.get("variables", "{}"))
    elif "graphql" in call.headers.get("Content-Type", ""):
        asked = {"query": call.body.decode()}
    else:
        asked = json.loads(call.body)
    found = [execute(one) for one in (asked if isinstance(asked, list) else [asked])]
    return found[0][0], [account for _, keys in found for account in keys]


def execute(asked):
    persisted = "query" not in asked
    text = PERSISTED[asked["operationName"]] if persisted else asked["query"]
    values = {
        name: json.loads(default) for name, default in re.findall(r"\$(\w+)\s*:[^,)=]*=\s*([^,)\s]+)", text)
    }
    values.update(asked.get("variables") or {})
    root, keys = None, []
    for name, arguments in fields(text):
        if name not in ("customer", "customers", "viewer"):
            raise Unknown(name)
        if root is None or arguments:
            root = name
        for argument, value in re.findall(r"(\w+)\s*:\s*(\$\w+|\"[^\"]*\"|\[[^\]]*\]|\w+)", arguments or ""):
            value = values[value[1:]] if value.startswith("$") else json.loads(value)
            if argument == "after":
                keys.append(f"after={value}")
            elif argument in ("id", "ids"):
                keys.extend(accounts(value if isinstance(value, list) else [value]))
    return f"graphql {'persisted' if persisted else root}", keys


def fields(text):
    """The fields at the root with their arguments."""
    depth = 0
    at = text.index("{")
    for token in re.finditer(r"[{}]|(?:\w+\s*:\s*)?(\w+)\s*(\([^)]*\))?", text[at:]):
        if token[0] in "{}":
            depth += 1 if token[0] == "{" else -1
        elif depth == 1:
            yield token[1], token[2]


# Who asks, as the application takes it.


def caller(call):
    scheme, _, credential = call.headers.get("Authorization", "").partition(" ")
    credential = credential.strip()
    if scheme.lower() == "bearer":
        if credential.count(".") == 2:
            payload = credential.split(".")[1]
            return "subject " + json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["sub"]
        return "token " + credential
    if scheme.lower() == "basic":
        return "user " + base64.b64decode(credential).decode().split(":")[0]
    key = call.headers.get("X-Api-Key") or call.query.get("api_key", [None])[0]
    if key:
        return "key " + key
    for cookie in call.headers.get("Cookie", "").split(";"):
        name, _, value = cookie.strip().partition("=")
        if name == "sessionid":
            return "session " + value
    staff = call.headers.get("X-Staff")
    return "staff " + staff if staff else None


class Call(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle(self):
        self.skip_proxy_header()
        super().handle()

    def skip_proxy_header(self):
        start = self.rfile.peek(1)[:1]
        if start == b"\r":
            self.rfile.read(14)
            self.rfile.read(int.from_bytes(self.rfile.read(2), "big"))
        elif start == b"P" and self.rfile.peek(6)[:6] == b"PROXY ":
            self.rfile.readline()

    def serve(self):
        self.method, target, _ = self.requestline.split(" ")
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        resource, _, query = re.sub(r"^\w+://[^/?]*", "", target).partition("?")
        self.query = urllib.parse.parse_qs(query)
        self.query = {name.lower(): values for name, values in self.query.items()}
        self.path = path(resource)
        try:
            (operation, keys), status = route(self), 200
        except Unknown:
            operation, keys, status = None, [], 404
        served = {
            "port": self.client_address[1],
            "method": self.method,
            "target": target,
            "operation": operation,
            "accounts": keys,
            "caller": caller(self),
            "status": status,
        }
        with LOCK:
            self.server.log.write(json.dumps(served) + "\n")
            self.server.log.flush()
        answer = json.dumps({"accounts": [{"id": key, "name": "Ada"} for key in keys]}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        if self.method != "HEAD":
            self.wfile.write(answer)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = serve

    def log_message(self, *_):
        pass


def path(resource):
    """Decoded, without parameters, dot segments and empty ones."""
    segments = []
    for segment in urllib.parse.unquote(re.sub(r";[^/]*", "", resource)).split("/"):
        if segment == "..":
            del segments[-1:]
        elif segment not in ("", "."):
            segments.append(segment)
    return "/".join(segments)


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    server = Server(("127.0.0.1", int(sys.argv[1])), Call)
    server.log = open(sys.argv[2], "a", encoding="utf-8")
    server.serve_forever()
