// Every call to the server, relative to the page: a proxy may serve both under a path of its own.

import { askInsteadOf, key } from "./key.js";

const TIMEOUT_MS = 15_000;

export class RequestError extends Error {
  constructor(code, message, details = []) {
    super(message);
    this.code = code;
    this.details = details;
  }
}

async function call(path, options = {}) {
  const sent = key();
  const headers = { ...options.headers, ...(sent ? { "X-API-Key": sent } : {}) };
  let response;
  let body;
  try {
    response = await fetch(path, { ...options, headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
    body = await response.json();
  } catch {
    throw new RequestError("unreachable", `${path} gave no answer.`);
  }
  if (response.status === 401) {
    await askInsteadOf(sent);
    return call(path, options);
  }
  if (!response.ok) {
    const { code = "unknown", message = response.statusText, details = [] } = body.error ?? {};
    throw new RequestError(code, message, details);
  }
  return body;
}

export const model = () => call("model");
export const versions = () => call("versions");
export const stats = () => call("stats");

/** The answer to one instance ({field: value}), or to one picture (a Blob); to a draft, one that does not count. */
export function predict(input, draft) {
  const picture = input instanceof Blob;
  return call(`predict?explain=true${draft ? "&draft=true" : ""}`, {
    method: "POST",
    headers: { "Content-Type": picture ? input.type : "application/json" },
    body: picture ? input : JSON.stringify({ instances: [input] }),
  });
}

export const feedback = (requestId, label) => send("feedback", requestId, 0, label);

/** What the monitor found, and what waits for a label: for administrators, who send labels by a path of their own. */
export const looks = () => call("monitor/looks");
export const queue = () => call("monitor/queue");
export const labelled = (requestId, row, label) => send("monitor/feedback", requestId, row, label);

function send(path, requestId, row, label) {
  return call(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ request_id: requestId, row, label }),
  });
}
