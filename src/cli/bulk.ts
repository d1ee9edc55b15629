// bulk: many changes out of a file, one a row, through the API: progress, a report of what failed, and safe to run again.

import { createReadStream, existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { Readable } from "node:stream";
import { badRequest, messageOf } from "../errors.ts";
import { MEDIA_TYPES, ROW_FORMATS, type RowFormat } from "../http/rows.ts";
import { LIMITS } from "../limits.ts";
import { isIdempotencyKey } from "../operations/idempotency.ts";
import { systemClock } from "../runtime/clock.ts";
import { systemFiles } from "../runtime/files.ts";
import { type BulkAnswer, readAnswers, sendBulk } from "./bulk-requests.ts";
import { type Client, withClient } from "./client.ts";
import { CLIENT_SETTINGS, type Command, type Input, type Io } from "./command.ts";
import { print } from "./output.ts";
import { printable } from "./text.ts";

export const bulkCommand: Command = {
  name: "bulk",
  summary:
    "Make, change, delete and restore many links (or users), one a row: original_url, and short_code, title, tags, expires_at and so on as the API names them; command and link where it is no new one. Each row fails alone; the same file may be run again.",
  args: ["FILE|-"],
  flags: [
    { name: "users", help: "the rows are about users" },
    {
      name: "format",
      value: "NAME",
      help: "ndjson, json (an array) or csv; by default as the file's name ends, else ndjson",
    },
    { name: "atomic", help: `all rows or none, at most ${LIMITS.bulkAtomicRows}` },
    { name: "dry-run", help: "say what would become of each row, but change nothing" },
    { name: "report", value: "FILE", help: "what failed, a line a row, as NDJSON; by default FILE.failed.ndjson" },
    {
      name: "idempotency-key",
      value: "TEXT",
      help: "rows that were carried out under it within a day are not again; by default the hash of the file",
    },
  ],
  settings: CLIENT_SETTINGS,
  examples: [
    "printf 'original_url,short_code,tags\\nhttps://a.example/,sale,promo\\n' > links.csv",
    "deadletter bulk links.csv --dry-run",
    "deadletter bulk links.ndjson --report failed.ndjson --json",
    'echo \'{"command":"delete","link":"sale","reason":"duplicate"}\' | deadletter bulk -',
  ],
  async run(input, io) {
    const path = input.args[0] ?? "";
    if (path !== "-" && !existsSync(path)) throw badRequest(`there is no file ${path}`);
    const source = path === "-" ? undefined : { path, bytes: statSync(path).size };
    const key = input.value("idempotency-key");
    if (key !== undefined && !isIdempotencyKey(key))
      throw badRequest(`--idempotency-key: must be 1 to ${LIMITS.idempotencyChars} visible ASCII characters`);
    const job: Job = { input, io, source, format: formatOf(input, path), report: reportOf(input, path) };
    let summary: Summary | undefined;
    await withClient(input, async (client) => {
      summary = await run(job, client);
    });
    if (!summary) return 1;
    const { failed, stopped } = summary;
    print(io, input, summary, () => describe(job, summary as Summary));
    if (stopped !== null) return 7;
    return failed > 0 ? 1 : 0;
  },
};

/** The report has them all. */
const FAILURES_SHOWN = 5;

interface Job {
  readonly input: Input;
  readonly io: Io;
  /** Undefined for standard input. */
  readonly source: { readonly path: string; readonly bytes: number } | undefined;
  readonly format: RowFormat;
  /** Undefined where what failed is only counted. */
  readonly report: string | undefined;
}

interface Summary {
  readonly dry_run: boolean;
  rows: number;
  /** Rows that were carried out, and those that an earlier run had. */
  done: number;
  repeated: number;
  failed: number;
  seconds: number;
  report: string | null;
  /** The first of what failed. */
  readonly failures: { readonly line: number; readonly detail: string }[];
  /** Why the rest was not looked at, where it was not. */
  stopped: string | null;
}

function formatOf(input: Input, path: string): RowFormat {
  const named = input.value("format") ?? /\.(ndjson|jsonl|json|csv)$/i.exec(path)?.[1]?.toLowerCase() ?? "ndjson";
  const format = ROW_FORMATS.find((each) => each === (named === "jsonl" ? "ndjson" : named));
  if (!format) throw badRequest(`--format: must be one of ${ROW_FORMATS.join(", ")}`);
  return format;
}

function reportOf(input: Input, path: string): string | undefined {
  const named = input.value("report");
  if (named !== undefined && resolve(named) === resolve(path)) throw badRequest("--report: is the file that is read");
  return named ?? (path === "-" || input.isOn("dry-run") ? undefined : `${path}.failed.ndjson`);
}

async function run(job: Job, client: Client): Promise<Summary> {
  const { input, source, report } = job;
  const isDryRun = input.isOn("dry-run");
  const startedMs = systemClock.monotonic();
  const summary: Summary = {
    dry_run: isDryRun,
    rows: 0,
    done: 0,
    repeated: 0,
    failed: 0,
    seconds: 0,
    report: null,
    failures: [],
    stopped: null,
  };
  let sentBytes = 0;
  const meter = createMeter(job, summary, () => sentBytes);
  const key = input.value("idempotency-key") ?? (source ? await hashOf(source.path) : undefined);
  const read = source ? createReadStream(source.path) : process.stdin;
  const body = (Readable.toWeb(read) as ReadableStream<Uint8Array>).pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        sentBytes += chunk.length;
        controller.enqueue(chunk);
      },
    }),
  );
  try {
    const response = await sendBulk(client, input.isOn("users") ? "/users/bulk" : "/urls/bulk", body, {
      mediaType: MEDIA_TYPES[job.format],
      isAtomic: input.isOn("atomic"),
      isDryRun,
      key: isDryRun ? undefined : key,
    });
    for await (const answers of readAnswers(response)) {
      take(summary, answers, report);
      meter.update();
    }
  } catch (error) {
    // What was answered is done; where nothing was, the request itself was refused.
    if (summary.rows === 0) throw error;
    summary.stopped = messageOf(error);
  } finally {
    meter.end();
  }
  summary.seconds = Math.round(systemClock.monotonic() - startedMs) / 1000;
  return summary;
}

async function hashOf(path: string): Promise<string> {
  const hash = new Bun.CryptoHasher("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return hash.digest("base64url");
}

function take(summary: Summary, answers: readonly BulkAnswer[], report: string | undefined): void {
  // It would say what an earlier run found.
  if (summary.rows === 0 && report !== undefined) systemFiles.removeIfThere(report);
  const failures = answers.filter(({ error }) => error !== undefined);
  for (const { line, error, detail, repeated } of answers) {
    const isLast = line === null || error === "unavailable";
    if (isLast) summary.stopped ??= `${line === null ? "" : `line ${line}: `}${detail}`;
    if (line === null) continue;
    summary.rows += 1;
    if (error !== undefined) {
      summary.failed += 1;
      if (summary.failures.length < FAILURES_SHOWN) summary.failures.push({ line, detail: detail ?? error });
    } else if (repeated) summary.repeated += 1;
    else summary.done += 1;
  }
  if (failures.length === 0 || report === undefined) return;
  systemFiles.append(report, failures.map((failure) => `${JSON.stringify(failure)}\n`).join(""));
  summary.report = report;
}

/** Rows, rate and what is left: on a terminal each second, elsewhere a line at each tenth of the file. */
function createMeter({ io, source }: Job, summary: Summary, sentBytes: () => number) {
  const startedMs = systemClock.monotonic();
  let shownMs = startedMs;
  let tenth = 0;
  return {
    update() {
      const nowMs = systemClock.monotonic();
      const share = source ? Math.min(1, sentBytes() / Math.max(1, source.bytes)) : 0;
      const isDue = io.isErrTerminal ? nowMs - shownMs >= 1_000 : Math.floor(share * 10) > tenth;
      if (!isDue) return;
      shownMs = nowMs;
      tenth = Math.floor(share * 10);
      const seconds = (nowMs - startedMs) / 1000;
      const rate = Math.round(summary.rows / Math.max(0.001, seconds));
      const left = share > 0 && share < 1 ? `, ${Math.ceil((seconds / share) * (1 - share))} s left` : "";
      const text = `${summary.rows} rows, ${summary.failed} failed, ${rate}/s${left}`;
      io.aside(io.isErrTerminal ? `\r${text}\u001b[K` : `${text}\n`);
    },
    end() {
      if (io.isErrTerminal && shownMs !== startedMs) io.aside("\n");
    },
  };
}

function describe(
  { input, source }: Job,
  { dry_run, rows, done, repeated, failed, seconds, report, failures, stopped }: Summary,
) {
  const what = dry_run ? "would be carried out" : "carried out";
  const before = repeated > 0 ? `, ${repeated} had been before` : "";
  const where = report === null ? "" : `: see ${report}`;
  const lines = [
    `${rows} ${rows === 1 ? "row" : "rows"}: ${done} ${what}${before}, ${failed} failed${where} (${seconds} s)`,
  ];
  lines.push(...failures.map(({ line, detail }) => `  line ${line}: ${printable(detail)}`));
  if (failed > failures.length)
    lines.push(`  ${report === null ? "and more: --report FILE keeps them all" : "and more"}`);
  const isSafe = source !== undefined || input.value("idempotency-key") !== undefined;
  if (stopped !== null)
    lines.push(
      `stopped: ${stopped}`,
      isSafe
        ? "run the same command again: what was carried out is not again"
        : "the rest was not looked at; without --idempotency-key a second run repeats what was carried out",
    );
  return `${lines.join("\n")}\n`;
}
