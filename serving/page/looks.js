// What the newest look found: the verdict with its reasons, what to do, and the figures.

import { list } from "./panel.js";
import { language, moment, number, setCoded, share, words, yen } from "./words.js";

const $ = (id) => document.getElementById(id);

export function drawVerdict(found) {
  const { latest, model, use_case } = found;
  $("none").hidden = latest !== null;
  $("found").hidden = latest === null;
  if (latest === null) {
    $("none-command").textContent = `portfolio monitor ${use_case}`;
    setCoded($("none-live"), words("monitor.none.live", { use_case }));
    return;
  }
  $("banner").className = `verdict ${latest.verdict}`;
  $("verdict-name").textContent = words(`verdict.${latest.verdict}`);
  const todo = latest.acted_at ? words("todo.acted", { time: moment(latest.acted_at) }) : words(`todo.${latest.verdict}`, { use_case });
  setCoded($("todo"), todo);
  $("reasons").replaceChildren(
    ...latest.reasons.map(({ told }) => Object.assign(document.createElement("li"), { textContent: told[language] ?? told.en })),
  );
  const { yen_per_1000: value, harm, machine_share: machine } = latest.figures;
  const entries = Number.isFinite(value?.promised) ? figures(value) : [];
  if (Number.isFinite(machine)) entries.push([words("live.by_machine"), share(machine)]);
  if (harm?.threshold) entries.push([words("monitor.evidence", { threshold: number(harm.threshold) }), number(harm.evidence, 3)]);
  list($("figures"), entries);
  const said = [words("monitor.window", { ...latest, version: latest.model_version, rows: number(latest.rows), labels: number(latest.labels), start: moment(latest.start), end: moment(latest.end), time: moment(latest.looked_at) })];
  if (model && model.digest !== latest.digest) said.push(words("monitor.not_yet", { version: model.version }));
  $("window").textContent = said.join(" ");
}

function figures({ promised, estimated, seen }) {
  const entries = [[words("monitor.promised"), yen(promised)]];
  const between = ({ low, high }) => (Number.isFinite(low) ? words("plot.between", { low: yen(low), high: yen(high) }) : "");
  if (estimated) {
    const key = estimated.trusted === false ? "monitor.doubtful" : "monitor.estimated";
    entries.push([`${words(key)}${between(estimated)}`, yen(estimated.value)]);
  }
  if (seen) entries.push([`${words("monitor.seen", { labels: number(seen.labels) })}${between(seen)}`, yen(seen.value)]);
  return entries;
}
