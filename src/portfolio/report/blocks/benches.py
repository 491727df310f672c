"""What was measured of no single use case: speed, coverage, reliability."""

from __future__ import annotations

from portfolio.core.errors import DataError
from portfolio.core.files import read_metrics
from portfolio.core.paths import BENCH, MONITOR_BENCH, RELIABILITY, SERVING_BENCH
from portfolio.report.blocks.tables import measured, table, table_row
from portfolio.report.words import number, percent, read_words

SERVING_COMMAND, RELIABILITY_COMMAND = "make bench-serving", "make reliability"
MONITOR_COMMAND = "make bench-monitor"
# Names in the file of `make bench-serving`.
OURS, COMPARED = "this project", ("LitServe", "mlflow models serve", "BentoML", "MLServer", "FastAPI")


def bench(part: str, language: str) -> str:
    """A table of what one part of `python -m bench`, or a module of `bench`, measured, with the machine."""
    command = f"python -m bench {part}"
    found = read_metrics(BENCH, command).get(part)
    if found is None:
        raise DataError(f"{BENCH} has no part '{part}'. This measures it: {command}")
    command = found.get("command", command)
    return measured({"": found["rows"]}, command, found["machine"], language)


def coverage(_: str, language: str) -> str:
    """How often a 95% interval covers, by error rate and number of rows, for one model and for two."""
    words, command = read_words(language), "python -m bench.coverage"
    found = read_metrics(BENCH, command).get("coverage")
    if found is None:
        raise DataError(f"{BENCH} has no part 'coverage'. This measures it: {command}")
    parts = []
    for name, simulated in found["grid"].items():
        counts = sorted({cell["rows"] for cell in simulated})
        shares = {(cell["error_rate"], cell["rows"]): cell["coverage"] for cell in simulated}
        lines = table([f"{name}: {words['error_rate']}", *(f"{count:,} {words['rows']}" for count in counts)])
        for rate in sorted({cell["error_rate"] for cell in simulated}):
            lines.append(table_row(percent(rate), *(percent(shares[rate, count]) for count in counts)))
        parts.append("\n".join(lines))
    return "\n\n".join([*parts, measured({"": found["rows"]}, command, found["machine"], language)])


def serving(_: str, language: str) -> str:
    """Our server beside the others: the rate of each under each load; and what became of the aims."""
    words = read_words(language)
    found = read_metrics(SERVING_BENCH, SERVING_COMMAND)
    loads = list(next(iter(found["servers"].values()))["loads"])
    more = [words["p99"].format(load=loads[0]), words["ready"], words["memory"]]
    lines = table([words["per_second"], *loads, *more])
    for name, server in found["servers"].items():
        rates = [number(server["loads"][load]["rate"]) if load in server["loads"] else "" for load in loads]
        others = (server["loads"][loads[0]]["p99_ms"], server["ready_seconds"], server["memory_mib"])
        lines.append(table_row(name, *rates, *(number(value) for value in others)))
    return "\n".join([*lines, "", measured({"": found["rows"]}, SERVING_COMMAND, found["machine"], language)])


def _in_brackets(name: str) -> str:
    """What a server is, with its variant: "LitServe (batching)"."""
    server, _, variant = name.partition(", ")
    return f"{server} ({variant})" if variant else server


def serving_result(_: str, language: str) -> str:
    """What both come to, in a few sentences, or how to get their figures."""
    words = read_words(language)
    if not (SERVING_BENCH.exists() and RELIABILITY.exists()):
        return str(words["no_figures"].format(command=f"`{SERVING_COMMAND} reliability`"))
    speed = read_metrics(SERVING_BENCH, SERVING_COMMAND)
    servers = speed["servers"]
    load = next(iter(servers[OURS]["loads"]))
    ours = servers[OURS]["loads"][load]
    # Some are there in two variants, "LitServe" and "LitServe, batching": ours is compared with the faster one.
    loads = {name: server["loads"].get(load, {}).get("rate", 0.0) for name, server in servers.items()}
    fastest = [
        max((one for one in loads if one.partition(", ")[0] == name), key=loads.__getitem__)
        for name in COMPARED
        if name in servers
    ]
    compared = [
        words["times"].format(times=number(round(ours["rate"] / loads[name], 1)), name=_in_brackets(name))
        for name in fastest
    ]
    tried = read_metrics(RELIABILITY, RELIABILITY_COMMAND)
    items = [*tried["items"].values(), *tried.get("flows", {}).values()]
    verdicts = [row["verdict"] for item in items for row in item.get("rows", []) if row["verdict"]]
    text: str = words["serving_text"].format(
        rate=number(ours["rate"]),
        p99=number(ours["p99_ms"]),
        times=words["comma"].join(compared),
        held=verdicts.count("held"),
        tried=len(verdicts),
        machine=speed["machine"],
    )
    return text


def monitor(_: str, language: str) -> str:
    """How often the monitor is wrong, how soon it is right, and what a look takes."""
    found = read_metrics(MONITOR_BENCH, MONITOR_COMMAND)
    parts = [
        measured({"": part["rows"]}, f"python -m bench.monitor {name}", part["machine"], language)
        for name, part in found.items()
    ]
    return "\n\n".join(parts)


def reliability(part: str, language: str) -> str:
    """What was tried of the server's reliability, item by item; or of that of the flows, as `reliability flows`."""
    found = read_metrics(RELIABILITY, RELIABILITY_COMMAND)
    items = found.get("flows" if part == "flows" else "items")
    if items is None:
        return str(read_words(language)["no_figures"].format(command=f"`{RELIABILITY_COMMAND}`"))
    rows = {name: item["rows"] for name, item in items.items() if "rows" in item}
    machines = "; ".join(dict.fromkeys(item["machine"] for item in items.values()))
    text = measured(rows, RELIABILITY_COMMAND, machines, language)
    left = [f"{name}: {item.get('skipped') or item['failed']}" for name, item in items.items() if name not in rows]
    return "\n\n".join([text, *left])
