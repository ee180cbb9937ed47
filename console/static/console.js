// What a page needs a script for: the clock, live rows and news from the one stream, and a zone's charts.
// Everything else works without it. It patches what changed, skips while the page is hidden, and resumes by number.

const page = document.body;
const clock = document.getElementById("clock");
const code = document.documentElement.lang;

// The farm's own time runs on between two pages; it may run faster than the world's.
if (clock) {
  const begun = performance.now();
  const at = Number(clock.dataset.at);
  const speed = Number(clock.dataset.speed);
  const parts = new Intl.DateTimeFormat("en-GB", { timeZone: clock.dataset.zone, hour: "2-digit", minute: "2-digit", hour12: false });
  const day = new Intl.DateTimeFormat("en-CA", { timeZone: clock.dataset.zone });
  const first = day.format(at * 1000);
  const tick = () => {
    if (document.hidden) return;
    const now = new Date((at + ((performance.now() - begun) / 1000) * speed) * 1000);
    if (day.format(now) !== first) return; // the server knows the words of another day
    put(clock, clock.textContent.replace(/\d\d:\d\d$/, parts.format(now)));
  };
  setInterval(tick, 1000);
}

// The same page as it is now: asked for anew, so that no form is ever sent twice.
const DOWNLOAD_MS = 5000; // a page that was asked for is there by then; a file leaves this one where it is
let isSent = false; // a form is on its way, and must not be overtaken
let leftAt = -DOWNLOAD_MS; // nor must a link
document.addEventListener("submit", () => (isSent = true));
addEventListener("beforeunload", () => (leftAt = performance.now()));

function again() {
  if (isSent) return;
  const wait = leftAt + DOWNLOAD_MS - performance.now();
  if (wait > 0) setTimeout(again, wait);
  else location.replace(location.pathname + location.search);
}

function put(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}

// rows

const places = new Map([...document.querySelectorAll("[data-zone]:not(#clock)")].map((row) => [row.dataset.zone, row]));
const waiting = new Map(); // what came while the page was hidden, the last of each zone

function patch(zoneId, cells) {
  const row = places.get(zoneId);
  if (!row) return;
  if (row.dataset.state !== cells.state) row.dataset.state = cells.state;
  for (const cell of row.querySelectorAll("[data-cell]")) put(cell, cells[cell.dataset.cell]);
  const meter = row.querySelector(".meter");
  meter.toggleAttribute("data-unknown", !cells.is_known);
  for (const [name, ...attributes] of [["left", "width"], ["due", "x1", "x2"]]) {
    for (const shape of meter.querySelectorAll(`[data-meter=${name}]`)) {
      for (const attribute of attributes) {
        if (shape.getAttribute(attribute) !== cells[name]) shape.setAttribute(attribute, cells[name]);
      }
    }
  }
  for (const part of document.querySelectorAll(".now [data-shown], .now ~ #steer [data-shown]")) show(part, cells.state);
  for (const part of row.querySelectorAll("[data-shown]")) show(part, cells.state);
}

function show(part, state) {
  part.hidden = !part.dataset.shown.split(" ").includes(state);
}

function paint() {
  for (const [zoneId, cells] of waiting) patch(zoneId, cells);
  waiting.clear();
}

// news

const news = document.getElementById("news");
const heard = new Set([...(news?.children ?? [])].map((item) => item.dataset.seq));

function tell(story) {
  if (!news || heard.has(String(story.seq)) || !belongs(story)) return;
  heard.add(String(story.seq));
  const item = document.createElement("li");
  item.dataset.seq = story.seq;
  item.dataset.kind = story.kind;
  const time = document.createElement("time");
  time.textContent = story.time;
  const words = document.createElement("span");
  words.textContent = story.words;
  item.append(time, " ", words);
  news.prepend(item);
  while (news.children.length > Number(news.dataset.count)) {
    heard.delete(news.lastElementChild.dataset.seq);
    news.lastElementChild.remove();
  }
}

function belongs(story) {
  const zone = document.querySelector(".now");
  return !zone || story.zone_id === zone.dataset.zone;
}

// the order that this page was opened with: once it has come further, the page says so

function follow(story) {
  const note = document.querySelector("[data-order]");
  if (note && story.order_id === note.dataset.order && story.state !== note.dataset.state) again();
}

// the stream

const PINGS = 2.5; // so many may be missing before the line counts as dead: TCP itself may not tell for a quarter of an hour
const patience = PINGS * 1000 * Number(page.dataset.ping);
let source;
let silence;

function listen() {
  source = new EventSource(`/events?after=${page.dataset.seq}`);
  const take = (event) => {
    alive();
    const data = JSON.parse(event.data);
    for (const [zoneId, cells] of Object.entries(data.zones ?? {})) waiting.set(zoneId, cells);
    if (data.summary) put(document.getElementById("summary"), data.summary);
    for (const story of data.news ?? []) {
      tell(story);
      follow(story);
      if (story.is_for_page && !document.activeElement?.matches("input, textarea, select")) again(); // a hold: more than a row changes
    }
    page.dataset.seq = event.lastEventId;
    if (!document.hidden) paint();
  };
  for (const kind of ["zones", "valve", "alarm", "order", "news"]) source.addEventListener(kind, take);
  source.addEventListener("reset", () => again());
  for (const kind of ["open", "ping"]) source.addEventListener(kind, alive);
  source.addEventListener("error", lose);
  await_pings();
}

function await_pings() {
  clearTimeout(silence);
  silence = setTimeout(() => {
    lose();
    source.close(); // and a new one, after the last number that came
    listen();
  }, patience);
}

function alive() {
  document.getElementById("lost")?.remove();
  await_pings();
}

function lose() {
  if (document.getElementById("lost")) return;
  const note = document.createElement("p");
  note.id = "lost";
  note.className = "lost";
  note.setAttribute("role", "status");
  note.textContent = page.dataset.lost;
  page.append(note);
}

window.addEventListener("pagehide", () => {
  clearTimeout(silence);
  source?.close();
});

document.addEventListener("visibilitychange", () => document.hidden || paint());
if (page.dataset.seq && (places.size || news || document.querySelector("[data-order]"))) listen();

// charts

const charts = document.getElementById("charts");

function colour(name) {
  const probe = document.createElement("i");
  probe.className = `ink-${name}`;
  charts.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

async function draw() {
  const answer = await fetch(charts.dataset.history);
  if (!answer.ok) return;
  const { at, vwc, depletion_mm, due_mm, litres } = await answer.json();
  if (!at.length) return;
  const said = charts.dataset;
  const [ink, edge, water, mark, go] = ["ink", "edge", "water", "mark", "go"].map(colour);
  const axis = { stroke: ink, grid: { stroke: edge, width: 1 }, ticks: { stroke: edge } };
  const zoned = (date) => uPlot.tzDate(date, said.timezone);
  const number = new Intl.NumberFormat(code, { maximumFractionDigits: 1 });
  const time = new Intl.DateTimeFormat(code, { timeZone: said.timezone, dateStyle: "short", timeStyle: "short" });
  const value = (_, raw) => (raw == null ? "–" : number.format(raw));
  const when = { value: (_, raw) => (raw == null ? "–" : time.format(raw * 1000)), label: said.when };
  const days = new Intl.DateTimeFormat(code, { timeZone: said.timezone, day: "numeric", month: "numeric" });
  const hours = new Intl.DateTimeFormat(code, { timeZone: said.timezone, hour: "2-digit", minute: "2-digit", hour12: false });
  const marks = (_, splits, __, ___, step) => splits.map((split) => (step >= 86400 || hours.format(split * 1000) === "00:00" ? days : hours).format(split * 1000));
  const shared = { height: 220, tzDate: (seconds) => zoned(new Date(seconds * 1000)), cursor: { sync: { key: "zone" } }, width: charts.clientWidth };
  const line = (label, stroke, more = {}) => ({ label, stroke, width: 2, value, points: { show: false }, ...more });
  const plots = [
    new uPlot(
      { ...shared, axes: [{ ...axis, values: marks }, { ...axis, values: (_, ticks) => ticks.map((tick) => number.format(tick)) }], series: [when, line(said.moisture, go)] },
      [at, vwc.map((one) => (one == null ? null : one * 100))],
      charts,
    ),
    new uPlot(
      {
        ...shared,
        axes: [{ ...axis, values: marks }, { ...axis, values: (_, ticks) => ticks.map((tick) => number.format(tick)) }, { ...axis, side: 1, scale: "litres", grid: { show: false }, values: (_, ticks) => ticks.map((tick) => number.format(tick)) }],
        scales: { litres: { range: (_, __, most) => [0, Math.max(most, 1) * 2] } },
        series: [when, line(said.used, ink), line(said.due, mark, { dash: [6, 4] }), line(said.litres, water, { scale: "litres", fill: water, paths: uPlot.paths.bars({ size: [0.6, 24, 3] }) })],
      },
      [at, depletion_mm, due_mm, litres.map((one) => one || null)],
      charts,
    ),
  ];
  new ResizeObserver(() => plots.forEach((plot) => plot.setSize({ width: charts.clientWidth, height: shared.height }))).observe(charts);
}

if (charts && window.uPlot) draw();
