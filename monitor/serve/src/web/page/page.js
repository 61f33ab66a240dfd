
"use strict";
// Everything that is shown comes from /api/v1, and much of it from whoever calls the API that is watched: it is only ever
// put into the page as text.

const EVERY = 2000;
const STALE_AFTER = 7000;
const PATIENCE = 6000;
const MOST_ALERTS = 50;
const MOST_CLIENTS = 12;
const MOST_ROUTES = 10;
const SVG = "http://www.w3.org/2000/svg";
const LEVELS = { good: "Good", note: "Note", warn: "Warning", bad: "Bad" };
const RULES = {
  "distinct-objects": "Reads many different accounts",
  "sequential-walk": "Reads one account after the other",
  "miss-probing": "Guesses at accounts",
  "first-touch": "Reads accounts that nobody reads",
  "volume": "Takes much data",
  "block-density": "Accounts are read one after the other",
  "route-distinct": "Far more accounts are read than usual",
  "many-readers": "More clients than usual read much",
  "key-flood": "Clients come in a flood",
  "blind": "Too much goes unseen",
  "open-door": "Gives data without a credential",
  "unknown-route": "Is not in the API's description",
  "busy-route": "Clients read much here: is that in order?",
};
const CLASSES_BY = {
  "declared": "Somebody declared it",
  "type": "By the media type of its answers",
  "suffix": "By the suffix of its path",
  "path": "By a word in its path",
  "method": "By its method",
  "size": "By how short its answers are",
  "objects": "By the objects in its calls",
};
const LIMITS_BY = {
  "set": "Somebody set them with --limit",
  "allowed": "Somebody allowed more with rollcall allow",
  "learning": "It is not known yet what is usual: the usual limits, or on their way",
  "own": "Most clients touch one or two objects a day, their own: lower than the usual limits",
  "many": "Many clients come to more than half of a usual limit: higher",
  "usual": "What is usual here is far below the usual limits",
};

const $ = (id) => document.getElementById(id);
// Those that rows have been of.
const services = new Set();
let busiest = { windows_s: [], clients: [] };
let answered = 0;
let failure = "";
let timer;

function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined) node.setAttribute(name, value);
  }
  // Text stays text: append makes a text node of a string.
  node.append(...children.filter((child) => child !== undefined && child !== ""));
  return node;
}

function number(value) {
  return value.toLocaleString("en-US");
}

function rate(value) {
  return value === 0 ? "0" : value < 9.95 ? value.toFixed(1) : number(Math.round(value));
}

function span(seconds) {
  if (seconds % 3600 === 0) return `${seconds / 3600} h`;
  if (seconds % 60 === 0) return `${seconds / 60} min`;
  return `${seconds} s`;
}

// How long, in the largest unit that says enough.
function age(from, to) {
  const seconds = Math.max(0, Math.round((Date.parse(to) - Date.parse(from)) / 1000));
  if (seconds < 100) return `${seconds} s`;
  if (seconds < 6000) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

function ago(from, to) {
  return Date.parse(to) - Date.parse(from) < 1500 ? "now" : `${age(from, to)} ago`;
}

function plural(count, one, many) {
  return `${number(count)} ${count === 1 ? one : many}`;
}

// A route with its service, unless that is there already: no method has a colon.
function fullName({ service, route }) {
  return service && !route.split(" ", 1)[0].includes(":") ? `${service} ${route}` : route;
}

function meet(rows) {
  rows.forEach(({ service }) => service && services.add(service));
}

// The same for people: where there is but one service, there is nothing to tell it from.
function routeName(row) {
  return services.size > 1 ? fullName(row) : row.route;
}

// The client that stands out in an alert, with what it has touched by now: lines are written when a count has doubled, and
// may be about everybody.
function meanwhile(alert) {
  const routes = [fullName(alert), ...alert.routes.map((route) => fullName({ service: alert.service, route }))];
  const isPart = (row) => routes.includes(fullName(row)) && alert.clients.some(({ kind, id }) => kind === row.kind && id === row.id);
  const rows = busiest.clients.filter(isPart).map((row) => ({ row, most: nearest(row) }));
  const { row, most } = rows.sort((a, b) => (b.most?.share ?? 0) - (a.most?.share ?? 0))[0] ?? {};
  if (!row) return alert;
  const last_seen = row.last_seen > alert.last_seen ? row.last_seen : alert.last_seen;
  // These count something else than accounts that were touched.
  const other = alert.severity === "info" || ["miss-probing", "volume"].includes(alert.rule);
  if (other || !most || most.share <= 1) return { ...alert, last_seen };
  const { kind, id } = row;
  const { count: distinct, limit, window: window_s } = most;
  // Calls are not known by route and client.
  const { service, route } = row;
  return { ...alert, last_seen, client: { kind, id }, service, route, distinct, limit, window_s, distinct_error: row.exact ? 0 : 1, requests: 0 };
}

function client({ kind, id }) {
  if (kind === "all") return el("span", {}, "everybody together");
  return el("span", {}, el("span", { class: "kind" }, kind), el("span", { class: "mono" }, id));
}

// What half of the clients, and 99 of 100, do not go beyond, as `rollcall routes` says it.
function usual({ p50, p99 }) {
  return `${number(p50)}..${number(p99)}`;
}

// What is usual where it happens, and how far beyond that it is.
function beside(alert, told) {
  if (!told.usual) return [];
  const title = `Half of the clients, and 99 of 100, do not go beyond, within ${span(told.window_s)}`;
  const found = alert.window_s === told.window_s && fullName(alert) === fullName(told) ? alert.distinct : told.distinct;
  const times = told.rule === "miss-probing" ? 0 : Math.floor(found / Math.max(1, told.usual.p99));
  const beyond = times > 1 ? `, ${number(times)} times beyond` : "";
  return [el("span", { title }, `usual: ${usual(told.usual)}${beyond}`)];
}

// What is over its limit, and how far.
function figures(alert) {
  if (alert.bytes > 0) return [el("b", {}, `${number(Math.round(alert.bytes / 1048576))} MiB`), " within an hour"];
  if (alert.rule === "blind" || alert.severity === "info") return [];
  const found = alert.distinct_error > 0 ? `about ${number(alert.distinct)}` : number(alert.distinct);
  const what = alert.rule === "miss-probing" ? "accounts missed" : alert.distinct === 1 ? "account" : "accounts";
  const limit = alert.limit > 0 ? `, limit ${number(alert.limit)}` : "";
  return [el("b", {}, `${found} ${what}`), `${limit}, in ${span(alert.window_s)}`];
}

function card(told, at) {
  const alert = meanwhile(told);
  const over = figures(alert);
  const rules = new Set([alert.opened_by, told.rule, ...alert.signals]);
  const signals = rules.size > 1 ? [...rules].map((rule) => el("span", { class: "chip" }, rule)) : [];
  const others = alert.clients.filter(({ kind, id }) => kind !== alert.client.kind || id !== alert.client.id);
  // Everybody is the least telling.
  others.sort((a, b) => (a.kind === "all") - (b.kind === "all"));
  const beyond = alert.client_count - 1 - Math.min(others.length, 4);
  return el(
    "li",
    { class: `card ${alert.severity}` },
    el(
      "div",
      { class: "top" },
      el("span", { class: "severity" }, alert.severity),
      el("span", { class: "what" }, RULES[alert.opened_by] || alert.opened_by),
      alert.acked ? el("span", { class: "chip" }, "acknowledged") : "",
      el("span", { class: "since", title: alert.opened_at }, `open for ${age(alert.opened_at, at)}`),
    ),
    el(
      "div",
      { class: "who" },
      client(alert.client),
      el("span", { class: "mono" }, routeName(alert)),
      alert.route_count > 1
        ? el("span", { class: "small" }, `and ${plural(alert.route_count - 1, "other route", "other routes")}`)
        : "",
      ...others.slice(0, 4).map(client),
      beyond > 0 ? el("span", { class: "small" }, `and ${number(beyond)} more`) : "",
    ),
    el(
      "div",
      { class: "more" },
      over.length ? el("span", { class: "over" }, ...over) : "",
      ...beside(alert, told),
      told.learning ? el("span", { class: "chip", title: LIMITS_BY.learning }, "learning") : "",
      alert.requests > 0 ? el("span", {}, plural(alert.requests, "call", "calls")) : "",
      el("span", { title: alert.last_seen }, `last call ${ago(alert.last_seen, at)}`),
      alert.loss > 0 ? el("span", {}, "figures may be higher: requests were lost") : "",
      ...signals,
      el("span", { class: "mono" }, alert.id),
    ),
    alert.allow ? el("div", { class: "more" }, el("span", {}, "Is it in order?"), el("code", {}, alert.allow)) : "",
  );
}

function showAlerts({ at, open, alerts }) {
  meet(alerts);
  const serious = alerts.filter((alert) => alert.severity !== "info");
  const notices = alerts.filter((alert) => alert.severity === "info");
  const beyond = open - alerts.length + Math.max(0, serious.length - MOST_ALERTS);
  $("alerts").classList.toggle("clear", serious.length === 0);
  $("alerts-title").textContent = serious.length ? `Alerts: ${number(serious.length)} open` : "Alerts";
  $("alerts-none").hidden = serious.length > 0;
  $("alerts-none").textContent = "None open.";
  $("alerts-list").replaceChildren(...serious.slice(0, MOST_ALERTS).map((alert) => card(alert, at)));
  $("alerts-more").hidden = beyond <= 0;
  $("alerts-more").textContent = `${number(beyond)} more are open.`;
  $("notices").hidden = notices.length === 0;
  $("notices-title").textContent = plural(notices.length, "notice about a route", "notices about routes");
  $("notices-list").replaceChildren(...notices.slice(0, MOST_ALERTS).map((alert) => card(alert, at)));
  document.title = serious.length ? `(${serious.length}) Rollcall` : "Rollcall";
}

function showRate({ now, steps, step_s: step }) {
  $("rate-now").textContent = rate(now);
  const known = steps.filter((value) => value !== null);
  const peak = Math.max(0, ...known);
  // A round number above the peak, so that the curve does not jump with each new one.
  const unit = 10 ** Math.floor(Math.log10(Math.max(peak, 1)));
  const top = [1, 2, 5, 10].map((factor) => factor * unit).find((value) => value >= peak);
  const x = (index) => (600 * index) / (steps.length - 1);
  const y = (value) => 118 - (112 * value) / top;
  const runs = [];
  steps.forEach((value, index) => {
    if (value === null) return;
    if (index === 0 || steps[index - 1] === null) runs.push([]);
    runs.at(-1).push([x(index), y(value)]);
  });
  const points = (run) => run.map(([a, b]) => `${a.toFixed(1)} ${b.toFixed(1)}`).join("L");
  const shapes = runs.flatMap((run) => [
    svg("path", { class: "area", d: `M${run[0][0].toFixed(1)} 120L${points(run)}L${run.at(-1)[0].toFixed(1)} 120Z` }),
    svg("path", { class: "line", d: `M${points(run)}` }),
  ]);
  const grid = [0.5, 1].map((part) => svg("line", { class: "grid", x1: 0, x2: 600, y1: y(top * part), y2: y(top * part) }));
  $("chart").replaceChildren(...grid, ...shapes);
  $("chart").setAttribute(
    "aria-label",
    known.length
      ? `Requests per second over the last ${span(known.length * step)}: ${rate(now)} now, ${rate(peak)} at most`
      : "Requests per second: nothing is known yet",
  );
  $("rate-peak").textContent = known.length ? `at most ${rate(peak)}, scale to ${number(top)}` : "";
}

function fact(name, value) {
  return el("div", {}, el("dt", {}, name), el("dd", {}, value));
}

function showStatus(status) {
  const { capture } = status;
  const up = age(status.started_at, status.at);
  $("about").textContent = `${location.host} · ${status.version} · up ${up}`;
  showRate(status.rate);
  $("totals").replaceChildren(
    fact("since the start", plural(capture.exchanges, "request", "requests")),
    fact("lost", number(capture.lost)),
    fact("followed", plural(capture.pairs, "client on a route", "clients on routes")),
  );
  $("signs").replaceChildren(
    ...status.signs.map((sign) =>
      el("li", {}, el("span", { class: `level ${sign.level}` }, LEVELS[sign.level] || sign.level), el("span", {}, sign.text.replaceAll(" %", "\u00a0%"))),
    ),
  );
}

// A bar for each window: how much of its limit is used.
function bars(windows, distinct, limits) {
  const shares = distinct.map((count, index) => (limits[index] ? count / limits[index] : 0));
  const width = 62 / Math.max(5, shares.length);
  const parts = shares.flatMap((share, index) => {
    const height = share > 0 ? Math.max(1.5, 24 * Math.min(1, share)) : 0;
    const level = share > 1 ? "over" : share >= 0.5 ? "near" : undefined;
    const at = { x: (index * width).toFixed(1), width: (width - 3).toFixed(1) };
    return [
      svg("rect", { class: "track", ...at, y: 0, height: 24 }),
      svg("rect", { class: level, ...at, y: 24 - height, height }),
    ];
  });
  const said = shares.map((_, index) => `${span(windows[index])}: ${number(distinct[index])} of ${limits[index] ?? "any"}`);
  const title = svg("title", {}, said.join(", "));
  return svg("svg", { class: "bars", role: "img", viewBox: "0 0 62 24", "aria-label": said.join(", ") }, title, ...parts);
}

// The window of a client that is nearest to its limit.
function nearest({ distinct, limits }) {
  let best;
  distinct.forEach((count, index) => {
    const limit = limits[index];
    const share = limit ? count / limit : 0;
    if (limit && count > 0 && (!best || share > best.share)) best = { share, count, limit, window: busiest.windows_s[index] };
  });
  return best;
}

function nearestSaid(row) {
  const most = nearest(row);
  return most ? `${number(most.count)} of ${number(most.limit)} in ${span(most.window)}` : "";
}

function showClients(answer) {
  const { at, windows_s: windows, clients } = answer;
  busiest = answer;
  meet(answer.clients);
  $("clients-hint").hidden = clients.length === 0;
  $("clients-hint").textContent = `Bars: how much of the limit is used in ${windows.map(span).join(", ")}.`;
  const rows = clients.slice(0, MOST_CLIENTS).map((row) => {
    const most = row.distinct.at(-1) ?? 0;
    return el(
      "tr",
      {},
      el(
        "td",
        { class: "full" },
        el(
          "div",
          { class: "client" },
          el("span", { class: "ellipsis", title: `${row.kind} ${row.id}` }, client(row)),
          row.open ? el("span", { class: "flag" }, "over a limit") : "",
        ),
      ),
      el("td", { class: "route full mono" }, routeName(row)),
      el("td", { class: "number", "data-name": "objects" }, row.exact ? number(most) : `~${number(most)}`),
      el("td", {}, bars(windows, row.distinct, row.limits), el("span", { class: "limit" }, nearestSaid(row))),
      el("td", { class: "number", "data-name": "last call", title: row.last_seen }, ago(row.last_seen, at)),
    );
  });
  showTable("clients", rows);
}

// The limits of all windows, shortest first; with a question mark as long as it is not known what is usual.
function limitsSaid({ windows, learning }) {
  return windows.map(({ limit }) => limit ?? "-").join("/") + (learning ? "?" : "");
}

function showRoutes({ routes }) {
  meet(routes);
  const windows = routes.find(({ norm }) => norm)?.norm.windows.map(({ window_s }) => span(window_s)) ?? [];
  $("routes-hint").hidden = windows.length === 0;
  $("routes-hint").textContent =
    `Limits: different objects within ${windows.join("/")}, with ? while learning. Usual: what half of the clients, and 99 of 100, touch at most within ${windows.at(-1)}.`;
  const most = Math.max(1, ...routes.map((route) => route.objects_hour));
  const by = (what) => (what ? el("span", { class: "by" }, what) : "");
  const rows = routes.slice(0, MOST_ROUTES).map((route) => {
    const { norm } = route;
    const last = norm?.windows.at(-1);
    const share = (100 * route.objects_hour) / most;
    const meter = svg(
      "svg",
      { class: "meter", viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" },
      svg("rect", { class: "track", width: 100, height: 6 }),
      svg("rect", { width: share.toFixed(1), height: 6 }),
    );
    return el(
      "tr",
      {},
      el("td", { class: "route full mono" }, routeName(route)),
      el("td", { class: "is", "data-name": "is", title: CLASSES_BY[route.class_by] }, route.class, by(route.class_by)),
      el("td", { class: "limits", "data-name": "limits", title: LIMITS_BY[norm?.by] }, norm ? limitsSaid(norm) : "-", by(norm?.by)),
      el("td", { class: "number", "data-name": "usual" }, last?.p99 ? usual(last) : "-"),
      el("td", { class: "number", "data-name": "objects" }, number(route.objects_hour)),
      el("td", { class: "wide" }, meter),
      el("td", { class: "number", "data-name": "calls" }, number(route.calls)),
      el("td", { class: "number", "data-name": "callers" }, number(route.callers)),
      el("td", { class: "number", "data-name": "without credential" }, number(route.open_calls)),
    );
  });
  showTable("routes", rows);
}

function showTable(id, rows) {
  const section = $(id);
  section.querySelector("table").hidden = rows.length === 0;
  $(`${id}-none`).hidden = rows.length > 0;
  section.querySelector("tbody").replaceChildren(...rows);
}

async function load(path, show) {
  const response = await fetch(path, { signal: AbortSignal.timeout(PATIENCE), cache: "no-store" });
  if (response.status === 401) throw new Error("It asks for a password: load this page again.");
  if (!response.ok) throw new Error(`It answered ${response.status} to ${path}.`);
  show(await response.json());
}

async function look() {
  clearTimeout(timer);
  const all = [
    load("/api/v1/status", showStatus),
    load("/api/v1/clients", showClients).finally(() => load("/api/v1/alerts", showAlerts)),
    load(`/api/v1/routes?top=${MOST_ROUTES}`, showRoutes),
  ];
  const failed = (await Promise.allSettled(all)).find(({ status }) => status === "rejected");
  if (failed) {
    const gone = failed.reason.name === "TypeError" || failed.reason.name === "TimeoutError";
    failure = gone ? "It may have been stopped, or the way to it is cut." : failed.reason.message;
  } else {
    answered = Date.now();
    failure = "";
  }
  showPulse();
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(look, EVERY);
}

function showPulse() {
  const silence = Date.now() - answered;
  const stale = failure !== "" && silence > STALE_AFTER;
  const seconds = Math.round(silence / 1000);
  $("pulse").dataset.state = answered === 0 && !stale ? "wait" : stale ? "stale" : "live";
  if (answered > 0) $("pulse-text").textContent = stale ? "No answer" : "Live";
  document.body.classList.toggle("stale", stale);
  $("stale").hidden = !stale;
  const since = answered > 0 ? ` for ${seconds} s, so what stands below is old` : "";
  const text = `The daemon does not answer${since}. ${failure}`;
  if (stale && $("stale").textContent !== text) $("stale").textContent = text;
}

setInterval(() => document.hidden || showPulse(), 1000);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) clearTimeout(timer);
  else look();
});
look();
