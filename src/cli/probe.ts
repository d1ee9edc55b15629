// probe: a synthetic user from outside. Changes one link of its own, and checks that the change is followed everywhere, is in the
// signed log, and can be proven.

import { readBaseUrl, readDuration } from "../config/parse.ts";
import { badRequest, messageOf } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { checkCode } from "../model/code.ts";
import { SYSTEM } from "../runtime/outside.ts";
import { machineName } from "../runtime/program.ts";
import { randomName } from "../runtime/random.ts";
import { withClient } from "./client.ts";
import { type Command, type Input, readVerifierKey } from "./command.ts";
import { print } from "./output.ts";
import { PROBE_STEPS, runProbe, type StepResult } from "./probe-steps.ts";
import { plainTable } from "./table.ts";
import { printable } from "./text.ts";

export const probeCommand: Command = {
  name: "probe",
  summary:
    "Change a link of its own on a server, and check that the change is followed everywhere, logged and provable. Exits 1 if not.",
  args: [],
  flags: [
    {
      name: "replica",
      value: "URL",
      help: "where the link is followed; may be repeated; default: the server",
      isRepeatable: true,
    },
    { name: "code", value: "CODE", help: "the probe's own link, made where it is not there; default probe-HOST" },
    { name: "within", value: "TIME", help: "how soon a change must be followed everywhere, default 1s" },
    { name: "log-within", value: "TIME", help: "how soon its event must be in the signed log, default 5s" },
    { name: "vkey", value: "KEY", help: "the log's verifier key, or its file; default: the one that the server names" },
    { name: "metrics", value: "FILE", help: "also write the result for node_exporter's textfile collector" },
  ],
  settings: ["server", "key"],
  examples: [
    "DEADLETTER_KEY_FILE=probe.key deadletter probe --server https://go.example.com --vkey log.vkey",
    "deadletter probe --server http://10.0.0.1:5000 --replica http://10.0.0.1:5000 --replica http://10.0.0.2:5000 --json",
    "deadletter probe --server http://127.0.0.1:5000 --metrics /var/lib/node_exporter/deadletter.prom",
  ],
  async run(input, io) {
    const { server } = input.config;
    if (server === undefined) throw badRequest("--server is needed: the address of the server to probe");
    const options = readOptions(input, server);
    let results: readonly StepResult[] = [];
    await withClient(input, async (client) => {
      results = await runProbe({ ...options, client });
    });
    const ok = results.every((result) => result.ok);
    const metricsFile = input.value("metrics");
    if (metricsFile !== undefined) writeMetrics(metricsFile, results, ok);
    print(io, input, { ok, server, steps: results }, () => {
      const rows = results.map(({ step, at = "", ok: isOk, ms, detail = "" }) => [
        isOk ? "ok" : "FAILED",
        step,
        `${ms} ms`,
        at,
        printable(detail),
      ]);
      return plainTable(["", "STEP", "TOOK", "AT", ""], rows);
    });
    return ok ? 0 : 1;
  },
};

function readOptions(input: Input, server: string) {
  const named = input.values("replica");
  const vkey = input.value("vkey");
  return {
    clock: SYSTEM.clock,
    code: checkCode(input.value("code") ?? ownCode()),
    replicas: named.length === 0 ? [server] : named.map((text) => read("replica", readBaseUrl, text)),
    withinMs: read("within", readDuration(0, 60_000), input.value("within") ?? "1s"),
    logWithinMs: read("log-within", readDuration(0, 600_000), input.value("log-within") ?? "5s"),
    key: vkey === undefined ? undefined : readVerifierKey(vkey),
    nonce: randomName(SYSTEM.randomBytes, 16),
  };
}

/** Of each host its own: two probes that change one link would not find what they look for. */
function ownCode(): string {
  const host = machineName().replaceAll(/[^A-Za-z0-9_-]/g, "-");
  return `probe-${host}`.slice(0, LIMITS.codeMaxChars);
}

function read<T>(flag: string, parse: (text: string) => T, text: string): T {
  try {
    return parse(text);
  } catch (error) {
    throw badRequest(`--${flag}: ${messageOf(error)}`);
  }
}

/** Prometheus's text format, in one piece: the collector never reads half a file. */
function writeMetrics(path: string, results: readonly StepResult[], ok: boolean): void {
  const series = (name: string, help: string, lines: readonly string[]) =>
    [`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, ...lines.map((line) => `${name}${line}`)].join("\n");
  const labels = ({ step, at }: Pick<StepResult, "step" | "at">) =>
    `{step="${step}"${at === undefined ? "" : `,replica=${JSON.stringify(at)}`}}`;
  const text = [
    series("deadletter_probe_success", "Whether every step of the last probe held (0 or 1).", [` ${Number(ok)}`]),
    series("deadletter_probe_timestamp_seconds", "When the last probe ended.", [` ${SYSTEM.clock.now() / 1000}`]),
    series(
      "deadletter_probe_step_success",
      "Whether a step of the last probe held; 0 as well where it could not be tried.",
      PROBE_STEPS.flatMap((step) => {
        const tried = results.filter((result) => result.step === step);
        return tried.length === 0
          ? [`{step="${step}"} 0`]
          : tried.map((result) => `${labels(result)} ${Number(result.ok)}`);
      }),
    ),
    series(
      "deadletter_probe_step_seconds",
      "How long a step of the last probe took.",
      results.map((result) => `${labels(result)} ${result.ms / 1000}`),
    ),
  ].join("\n");
  try {
    SYSTEM.files.replace(path, `${text}\n`, { isPublic: true });
  } catch (error) {
    throw badRequest(`--metrics: cannot write ${path}: ${messageOf(error)}`);
  }
}
