// A plot over time as SVG: what was promised, is estimated, and is seen, with intervals, and the events as lines.

import { eventSymbol, eventText } from "./events.js";
import { dayOrTime, moment, words } from "./words.js";

const HEIGHT = 290;
const MARGIN = { left: 64, right: 12, top: 60, bottom: 30 };
const KINDS = ["promised", "estimated", "seen"];
const MINUTE = 60_000;
const DAY = 1440 * MINUTE;
const STEPS = [1 / 60, 1 / 12, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120, 360, 720, 1440, 2880, 5760, 10_080, 20_160, 43_200, 129_600];
const EVENT_ROWS = 3; // of symbols, where events are close together
const TABLE_ROWS = 20;

/**
 * Draw a figure of the looks (the oldest first): `of` takes it from a look as {promised, estimated, seen}, `show` writes
 * a value, `name` names it, and `nameOf` names a field.
 */
export function drawPlot(container, { looks, events, of, show, name, nameOf }) {
  const points = looks.map((look) => ({ at: Date.parse(look.end), look, ...of(look) })).filter((point) => Number.isFinite(point.promised));
  container.replaceChildren();
  if (!points.length) return;
  const width = Math.max(320, container.clientWidth || 960);
  const marked = near(points, events);
  const scale = scales(points, marked, width);
  const svg = element("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", class: "plot", "aria-label": told(points, marked, show, name, nameOf) });
  svg.append(...grid(scale, width, show), ...marks(marked, scale, nameOf));
  for (const kind of KINDS) svg.append(...line(points, kind, scale));
  container.append(legend(), svg, table(points, show, name));
}

function element(name, attributes = {}, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

/** The events that are no farther from the looks than these reach: what is, the list has, and looks would be squeezed. */
function near(points, events) {
  const times = points.map(({ at }) => at);
  const [first, last] = [Math.min(...times), Math.max(...times)];
  const reach = Math.max(last - first, DAY);
  return events.map((event) => ({ at: Date.parse(event.at), event })).filter(({ at }) => at >= first - reach && at <= last + reach);
}

function scales(points, marked, width) {
  const times = [...points.map(({ at }) => at), ...marked.map(({ at }) => at)];
  let [from, to] = [Math.min(...times), Math.max(...times)];
  const pad = Math.max((to - from) * 0.02, MINUTE / 60);
  [from, to] = [from - pad, to + pad];
  const [low, high] = range(points);
  const across = (at) => MARGIN.left + ((at - from) / (to - from)) * (width - MARGIN.left - MARGIN.right);
  const up = (value) => MARGIN.top + ((high - Math.min(high, Math.max(low, value))) / (high - low)) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  return { from, to, low, high, across, up };
}

/** Of the values; an interval that is far wider, as one of few labels, is cut off at the edge. */
function range(points) {
  const found = points.flatMap((point) => [point.promised, point.estimated, point.seen].filter((one) => one !== null && one !== undefined));
  const values = found.map((one) => one.value ?? one).filter(Number.isFinite);
  let [low, high] = [Math.min(...values), Math.max(...values)];
  const most = Math.max(high - low, 0.15 * Math.max(Math.abs(low), Math.abs(high)), 1e-9);
  for (const { low: end, high: other } of found) {
    if (Number.isFinite(end)) low = Math.min(low, Math.max(end, Math.min(...values) - most));
    if (Number.isFinite(other)) high = Math.max(high, Math.min(other, Math.max(...values) + most));
  }
  const pad = Math.max((high - low) * 0.06, Math.abs(high) * 1e-3, 1e-9);
  return [low - pad, high + pad];
}

function grid(scale, width, show) {
  const elements = [];
  for (const value of ticks(scale.low, scale.high)) {
    const y = scale.up(value);
    elements.push(element("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y, y2: y }));
    elements.push(element("text", { class: "tick", x: MARGIN.left - 8, y: y + 4, "text-anchor": "end" }, show(value)));
  }
  const most = Math.max(2, Math.floor(width / 110));
  const step = MINUTE * (STEPS.find((minutes) => (scale.to - scale.from) / (minutes * MINUTE) <= most) ?? STEPS.at(-1) * Math.ceil((scale.to - scale.from) / (STEPS.at(-1) * MINUTE * most)));
  // From midnight here, so that days begin where they do on the clock.
  const midnight = new Date(scale.from).setHours(0, 0, 0, 0);
  for (let at = midnight + Math.ceil((scale.from - midnight) / step) * step; at <= scale.to; at += step) {
    const x = scale.across(at);
    elements.push(element("line", { class: "grid", x1: x, x2: x, y1: HEIGHT - MARGIN.bottom, y2: HEIGHT - MARGIN.bottom + 5 }));
    elements.push(element("text", { class: "tick", x, y: HEIGHT - MARGIN.bottom + 19, "text-anchor": "middle" }, dayOrTime(at, step)));
  }
  return elements;
}

/** Four to eight round values. */
function ticks(low, high) {
  const rough = (high - low) / 7;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = size * [1, 2, 5, 10].find((times) => times * size >= rough);
  const found = [];
  for (let value = Math.ceil(low / step); value * step <= high; value++) found.push(value * step);
  return found;
}

function marks(marked, scale, nameOf) {
  const ends = Array(EVENT_ROWS).fill(-Infinity);
  return marked.map(({ at, event }) => {
    const x = scale.across(at);
    const free = ends.findIndex((end) => x - end > 17);
    const row = free < 0 ? EVENT_ROWS - 1 : free;
    ends[row] = x;
    const group = element("g", { class: `event ${event.kind}` });
    const y = 12 + row * 17;
    group.append(
      element("title", {}, `${moment(event.at)}: ${eventText(event, nameOf)}`),
      element("line", { x1: x, x2: x, y1: y + 6, y2: HEIGHT - MARGIN.bottom }),
      element("circle", { cx: x, cy: y, r: 8 }),
      element("text", { x, y: y + 4, "text-anchor": "middle" }, eventSymbol(event.kind)),
    );
    return group;
  });
}

/** One kind of figure: a line for each version in turn, the interval as a band, and a dot for each look. */
function line(points, kind, scale) {
  const elements = [];
  for (const run of runs(points, kind)) {
    const middle = run.map(({ at, value }) => `${scale.across(at)},${scale.up(value)}`);
    const [first] = run;
    if (first.low !== undefined) {
      const upper = run.map(({ at, high }) => `${scale.across(at)},${scale.up(high)}`);
      const lower = run.map(({ at, low }) => `${scale.across(at)},${scale.up(low)}`).reverse();
      const band = run.length > 1 ? element("polygon", { points: [...upper, ...lower].join(" ") }) : element("line", whisker(first, scale));
      band.setAttribute("class", `band ${kind}`);
      elements.push(band);
    }
    elements.push(element("polyline", { class: `line ${kind}`, points: middle.join(" ") }));
    if (kind === "promised" && run.length > 1) continue;
    for (const { at, value, trusted } of run) {
      const dot = { class: `dot ${kind}${trusted === false ? " doubtful" : ""}`, cx: scale.across(at), cy: scale.up(value), r: run.length > 80 ? 1.5 : 3 };
      elements.push(element("circle", dot));
    }
  }
  return elements;
}

const whisker = ({ at, low, high }, scale) => ({ x1: scale.across(at), x2: scale.across(at), y1: scale.up(low), y2: scale.up(high) });

/** The points that have the figure, cut where another version follows or a look has none. */
function runs(points, kind) {
  const found = [];
  let before = null;
  for (const point of points) {
    const figure = point[kind];
    if (figure === null || figure === undefined) {
      before = null;
      continue;
    }
    const one = typeof figure === "number" ? { at: point.at, value: figure } : { at: point.at, ...figure };
    if (before?.digest !== point.look.digest) found.push([]);
    found.at(-1).push(one);
    before = point.look;
  }
  return found;
}

function legend() {
  const list = document.createElement("p");
  list.className = "legend";
  for (const kind of [...KINDS, "doubtful"]) {
    const entry = document.createElement("span");
    const key = element("svg", { viewBox: "0 0 26 12", class: "plot key", "aria-hidden": "true" });
    if (kind !== "doubtful") key.append(element("line", { class: `line ${kind}`, x1: 1, x2: 25, y1: 6, y2: 6 }));
    if (kind !== "promised") key.append(element("circle", { class: `dot ${kind === "doubtful" ? "estimated doubtful" : kind}`, cx: 13, cy: 6, r: 3 }));
    entry.append(key, words(`kind.${kind}`));
    list.append(entry);
  }
  return list;
}

/** The plot in a sentence or two, for whoever can't see it. */
function told(points, marked, show, name, nameOf) {
  const [first, last] = [points[0], points.at(-1)];
  const parts = [words("plot.alt", { name, looks: points.length, start: moment(first.look.end), end: moment(last.look.end) })];
  for (const kind of KINDS) {
    const point = points.findLast((one) => one[kind] !== null && one[kind] !== undefined);
    if (!point) continue;
    const { value = point[kind], low, high } = typeof point[kind] === "number" ? {} : point[kind];
    const between = Number.isFinite(low) ? words("plot.between", { low: show(low), high: show(high) }) : "";
    parts.push(words("plot.last", { kind: words(`kind.${kind}`), value: show(value), between }));
  }
  if (marked.length) parts.push(words("plot.marked", { events: marked.map(({ event }) => eventText(event, nameOf)).join(", ") }));
  return parts.join(" ");
}

/** The newest looks in figures. */
function table(points, show, name) {
  const details = document.createElement("details");
  const summary = document.createElement("summary");
  summary.textContent = words("plot.table");
  const scroll = document.createElement("div");
  scroll.className = "scroll";
  scroll.tabIndex = 0;
  const made = document.createElement("table");
  made.append(Object.assign(document.createElement("caption"), { textContent: name }));
  const write = (figure) => {
    if (figure === null || figure === undefined) return "–";
    if (typeof figure === "number") return show(figure);
    return `${show(figure.value)}${Number.isFinite(figure.low) ? words("plot.between", { low: show(figure.low), high: show(figure.high) }) : ""}`;
  };
  made.append(rowOf("th", [words("plot.time"), words("versions.version"), ...KINDS.map((kind) => words(`kind.${kind}`))]));
  for (const point of points.slice(-TABLE_ROWS).reverse()) {
    made.append(rowOf("td", [moment(point.look.end), String(point.look.model_version), ...KINDS.map((kind) => write(point[kind]))]));
  }
  scroll.append(made);
  details.append(summary, scroll);
  return details;
}

export function rowOf(kind, texts) {
  const row = document.createElement("tr");
  for (const text of texts) {
    const cell = document.createElement(kind);
    if (kind === "th") cell.scope = "col";
    cell.append(text);
    row.append(cell);
  }
  return row;
}
