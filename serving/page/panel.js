// What is shown beside the answer: the model's card and metrics, the versions in the store, and live metrics.

import { duration, hasWords, moment, number, share, words, yen } from "./words.js";

const SHARES = new Set(["accuracy", "balanced_accuracy", "precision", "f1", "by_machine", "interval_coverage"]);
const $ = (id) => document.getElementById(id);

export function list(target, entries) {
  target.replaceChildren(
    ...entries.map(([term, text, id]) => {
      const entry = document.createElement("div");
      const dt = document.createElement("dt");
      const dd = document.createElement("dd");
      dt.textContent = term;
      dd.textContent = text;
      if (id) dd.id = id;
      entry.append(dt, dd);
      return entry;
    }),
  );
}

function figure(name, value) {
  if (SHARES.has(name)) return share(value);
  return name.includes("yen") ? yen(value) : number(value);
}

const nameOf = (name) => (hasWords(`figure.${name}`) ? words(`figure.${name}`) : name.replaceAll("_", " "));

/** The price; where it depends on the error, the lowest and the highest. */
function pricesOf(price) {
  if (typeof price === "number") return [price];
  const all = Object.values(price).flatMap(pricesOf);
  return all.length ? [...new Set([Math.min(...all), Math.max(...all)])] : [];
}

export function showCard(model, card) {
  const entries = ["intended", "not_for", "data"]
    .filter((key) => card[key])
    .map((key) => [words(`card.${key}`), card[key]]);
  if (model.policy) {
    const prices = Object.entries(model.policy.prices).map(([name, price]) => [name, pricesOf(price).map(yen).join(" – ")]);
    const text = words("prices.list", { ...Object.fromEntries(prices), more: card.prices ?? "" });
    entries.push([words("card.prices"), text.trim()]);
  }
  list($("card"), entries);
  $("card").parentElement.hidden = entries.length === 0;
  $("figures").hidden = $("figures-heading").hidden = Object.keys(model.figures).length === 0;
  list($("figures"), Object.entries(model.figures).map(([name, value]) => [nameOf(name), figure(name, value)]));
  const { evaluated, data_sha256: data } = model.lineage;
  $("lineage").textContent = words("lineage", {
    digest: model.digest.slice(0, 12),
    commit: evaluated?.git_commit.slice(0, 8) ?? "\u2013",
    data: data?.slice(0, 12) ?? "\u2013",
  });
  $("refusal").hidden = !model.last_refusal;
  $("refusal").textContent = model.last_refusal ? words("refusal", { reason: model.last_refusal }) : "";
}

export function showVersions(versions) {
  // The value in yen, and the first metric beside it.
  const names = Object.keys(versions[0]?.figures ?? {});
  const columns = [names.find((name) => name.startsWith("value_yen")), names[0]].filter(
    (name, place, all) => name && all.indexOf(name) === place,
  );
  const heads = ["version", "candidate", "created"].map((name) => words(`versions.${name}`)).concat(columns.map(nameOf));
  $("versions-head").replaceChildren(
    ...heads.map((text) => {
      const cell = document.createElement("th");
      cell.scope = "col";
      cell.textContent = text;
      return cell;
    }),
  );
  $("versions").replaceChildren(
    ...versions.map((version) => {
      const row = document.createElement("tr");
      const values = columns.map((name) => (Object.hasOwn(version.figures, name) ? figure(name, version.figures[name]) : "–"));
      const cells = [String(version.version ?? "–"), version.candidate.replaceAll("_", " ")];
      for (const text of [...cells, version.created_at ? moment(version.created_at) : "–", ...values]) {
        const cell = document.createElement("td");
        cell.textContent = text;
        row.append(cell);
      }
      if (version.is_served) {
        row.className = "served";
        const badge = document.createElement("span");
        badge.className = "badge";
        badge.textContent = words("versions.served");
        row.cells[0].append(" ", badge);
      }
      return row;
    }),
  );
}

export function showLive(stats, model) {
  const of = (part, whole) => (whole ? share(part / whole) : "–");
  const judged = stats.feedback_right + stats.feedback_wrong;
  const entries = [
    [words("live.predictions"), number(stats.predictions), "live-predictions"],
    [words("live.by_machine"), of(stats.by_machine, stats.predictions)],
  ];
  if (model.policy) entries.push([words("live.expected_yen"), yen(stats.expected_yen)]);
  entries.push([words("live.feedback"), number(stats.feedback), "live-feedback"]);
  if (judged) entries.push([words("live.feedback_right"), of(stats.feedback_right, judged)]);
  entries.push([words("live.uptime"), duration(stats.uptime_seconds)]);
  if (stats.log_dropped) entries.push([words("live.log_dropped"), number(stats.log_dropped)]);
  list($("live"), entries);
}
