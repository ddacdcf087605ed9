// Sends webhooks that the official Svix library signed to a running host, and checks its answers.
// Knows nothing of the host but its URL and a source's secret. The table is cases.json.

import { readFileSync } from "node:fs";
import { request } from "node:http";
import { randomUUID } from "node:crypto";
import { parseArgs } from "node:util";
import { Webhook } from "svix";

const { values: options } = parseArgs({
  options: { url: { type: "string" }, secret: { type: "string" }, source: { type: "string", default: "clerk" } },
});
if (!options.url || !options.secret) {
  console.error("usage: node webhooks.mjs --url http://127.0.0.1:8400 --secret whsec_… [--source clerk]");
  process.exit(2);
}

const BODY = '{"type":"interop.checked","object":"event","data":{"n":1}}';
const webhook = new Webhook(options.secret);
const other = new Webhook("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD");
const intake = `/webhooks/${options.source}`;
let passed = 0;
let failed = 0;

function check(name, holds, shown = "") {
  if (holds) {
    passed += 1;
  } else {
    failed += 1;
    console.log(`FAIL ${name}:`, shown);
  }
}

const now = () => Math.floor(Date.now() / 1000);
const unique = () => randomUUID().replaceAll("-", "");

function send(method, path, headers, body, chunked = false) {
  return new Promise((resolve, reject) => {
    const sent = request(new URL(path, options.url), { method, headers, agent: false, timeout: 60_000 }, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("end", () => resolve(answer(response, Buffer.concat(parts).toString())));
      response.on("error", reject);
    });
    // Refused before the body's end: the answer came before the broken pipe.
    sent.on("error", (error) => (sent.res ? undefined : reject(error)));
    if (chunked) {
      sent.setHeader("transfer-encoding", "chunked");
    } else if (method !== "GET") {
      sent.setHeader("content-length", Buffer.byteLength(body));
    }
    sent.end(method === "GET" ? undefined : body);
  });
}

function answer(response, body) {
  let json = {};
  try {
    json = JSON.parse(body);
  } catch {
    // Told by the checks, which find nothing in it.
  }
  return { status: response.statusCode, headers: response.headers, body, json };
}

/** The three headers of Svix, by Svix's library. */
function signed(id, at, body) {
  return {
    "svix-id": id,
    "svix-timestamp": String(at),
    "svix-signature": webhook.sign(id, new Date(at * 1000), body),
  };
}

const deliver = (id, { body = BODY, at = 0, sent = body } = {}) =>
  send("POST", intake, signed(id, now() + at, body), sent);

function fill(text, names) {
  return text.replaceAll(/\$(?:\{(\w+)\}|(\w+))/g, (_, braced, bare) => names[braced ?? bare]);
}

function bodyOf(test) {
  if (test.size) return BODY.padEnd(test.size, " ");
  if (test.nest) return `{"type":"interop.checked","data":${"[".repeat(test.nest)}${"]".repeat(test.nest)}}`;
  return test.body ?? BODY;
}

function sendCase(test) {
  const at = now() + (test.at ?? 0);
  const body = bodyOf(test);
  const signedBody = test.signed_body ?? body;
  const names = { uuid: `${unique()}____`, timestamp: at, later: at + 1, source: options.source };
  const id = fill(test.id ?? "msg_$uuid", names);
  const headers = { "content-type": "application/json", ...signed(id, at, signedBody) };
  const signature = headers["svix-signature"];
  const foreign = other.sign(id, new Date(at * 1000), signedBody);
  Object.assign(names, { id, signature, bare: signature.replace(/^v1,/, ""), other: foreign });
  const lines = {};
  for (const [name, value] of Object.entries({ ...headers, ...test.headers })) {
    if (value === null) continue;
    lines[name] = Array.isArray(value) ? value.map((text) => fill(text, names)) : fill(value, names);
  }
  const path = fill(test.path ?? "/webhooks/$source", names);
  return send(test.method ?? "POST", path, lines, body, test.chunked);
}

function isProblem(found, { status, code }) {
  const typed = found.headers["content-type"] === "application/problem+json";
  return typed && found.status === status && found.json.status === status && found.json.code === code;
}

async function table() {
  const unverified = new Set();
  for (const test of JSON.parse(readFileSync(new URL("cases.json", import.meta.url), "utf8"))) {
    const found = await sendCase(test);
    const shown = `${found.status} ${found.body.slice(0, 200)}, expected ${test.status} ${test.code ?? ""}`;
    check(test.name, found.status === test.status, shown);
    if (test.code) {
      check(`${test.name}: problem`, isProblem(found, test), shown);
    } else {
      check(`${test.name}: answer`, Number.isInteger(found.json.runs), shown);
    }
    if (found.status === 401) unverified.add(found.body);
    if (found.status === 405) check(`${test.name}: Allow`, found.headers.allow === "POST", found.headers.allow);
  }
  check("all 401 have one body", unverified.size === 1, [...unverified]);
}

async function retries() {
  const id = `msg_${unique()}`;
  const first = await deliver(id);
  check("first delivery", first.status === 202, first.status);
  for (const at of [0, 5, -200]) {
    const { status, json, body } = await deliver(id, { at });
    check(`retry signed at ${at} s`, status === 200 && json.id === first.json.id && json.duplicate === true, body);
  }
  const conflict = await deliver(id, { body: BODY.replace("1", "2") });
  check("same id, another body", isProblem(conflict, { status: 409, code: "id_conflict" }), conflict.body);
  const again = await deliver(id);
  check("retry after the conflict", again.status === 200, again.status);
}

async function copies() {
  const headers = signed(`msg_${unique()}`, now(), BODY);
  const answers = await Promise.all(Array.from({ length: 100 }, () => send("POST", intake, headers, BODY)));
  const fresh = answers.filter((found) => found.status === 202).length;
  const repeats = answers.filter((found) => found.status === 200).length;
  check("100 copies at once: one is new", fresh === 1 && repeats === 99, { fresh, repeats });
  check("100 copies at once: one id", new Set(answers.map((found) => found.json.id)).size === 1);
}

async function flips() {
  for (let index = 0; index < BODY.length; index += 1) {
    for (const mask of [0x01, 0x80]) {
      const sent = Buffer.from(BODY);
      sent[index] ^= mask;
      const { status } = await deliver(`msg_${unique()}`, { sent });
      check(`body byte ${index} ^ ${mask}`, status === 401, status);
    }
  }
}

async function health() {
  for (const path of ["/livez", "/readyz"]) {
    check(path, (await send("GET", path, {}, "")).status === 200);
  }
}

for (const part of [health, table, retries, copies, flips]) await part();
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
