// Commands that work on a store or a file directly: migrate, verify, log keygen, config, version, healthcheck.

import { randomBytes } from "node:crypto";
import { createLogKey, encodeLogKey, encodeVerifierKey } from "../audit/log-key.ts";
import { verify } from "../audit/verify.ts";
import { describeValue, SETTINGS, urlHost } from "../config.ts";
import { loadLogKey, openStore, refuseMissingStore, writeNewFile } from "../deadletter.ts";
import { badRequest, DeadletterError, messageOf, unavailable } from "../errors.ts";
import { migrate, schemaStatus } from "../store/migrate.ts";
import { VERSION } from "../version.ts";
import { type Command, STORE_SETTINGS } from "./command.ts";
import { print, printable, progress, table } from "./output.ts";

const HEALTHCHECK_MS = 3_000;

export const migrateCommand: Command = {
  name: "migrate",
  summary: "Bring the store's schema up to this binary's. Safe to repeat and to run from many hosts at once.",
  args: [],
  flags: [
    { name: "status", help: "only show what is applied and what is pending" },
    { name: "dry-run", help: "the same: show what would be applied, and apply nothing" },
  ],
  settings: STORE_SETTINGS,
  examples: ["deadletter migrate --status", "DATABASE_URL=postgres://deadletter@db/deadletter deadletter migrate"],
  async run(input, io) {
    const isLookingOnly = input.isSet("status") || input.isSet("dry-run");
    if (isLookingOnly) refuseMissingStore(input.config);
    const store = await openStore(input.config);
    try {
      const before = await schemaStatus(store);
      const applied = isLookingOnly ? [] : await migrate(store, { nowMs: Date.now() });
      const { applied: known, pending } = isLookingOnly ? before : await schemaStatus(store);
      const rows = [
        ...known.map((row) => [String(row.version), row.name, `applied ${new Date(row.applied_at_ms).toISOString()}`]),
        ...pending.map((migration) => [String(migration.version), migration.name, "pending"]),
      ];
      const report = {
        applied_now: applied.map(({ version, name }) => ({ version, name })),
        applied: known,
        pending: pending.map(({ version, name }) => ({ version, name })),
      };
      print(io, input.isJson, report, () => {
        const summary = isLookingOnly
          ? `${pending.length} pending`
          : applied.length === 0
            ? "nothing to do"
            : `applied ${applied.length}`;
        return `${table(["VERSION", "NAME", "STATE"], rows)}${summary}\n`;
      });
      return 0;
    } finally {
      await store.close();
    }
  },
};

export const verifyCommand: Command = {
  name: "verify",
  summary:
    "Check every subject against its history, and every event's hashes, disclosures and tag. Exits 6 if anything is false.",
  args: [],
  flags: [{ name: "quiet", help: "print only what is false: nothing at all where everything is true" }],
  settings: STORE_SETTINGS,
  examples: ["deadletter verify", "deadletter verify --quiet", "deadletter verify --json | jq .findings"],
  async run(input, io) {
    refuseMissingStore(input.config);
    const store = await openStore(input.config);
    try {
      const { pending } = await schemaStatus(store);
      if (pending.length > 0)
        throw new DeadletterError("unavailable", `the schema of ${store.place} is not up to date`, {
          hint: "run: deadletter migrate",
        });
      const findings: { subject: string; detail: string }[] = [];
      const isQuiet = input.isSet("quiet");
      const meter = progress(isQuiet ? { ...io, err: () => {} } : io, "verified events");
      const report = await verify(store, await loadLogKey(input.config, store), {
        onProgress: meter.update,
        onFinding: (finding) => {
          if (input.isJson) findings.push(finding);
          else io.out(`FALSE ${printable(finding.subject)}: ${printable(finding.detail)}\n`);
        },
      });
      meter.end();
      const { events, erased, subjects } = report;
      if (isQuiet && report.isTrue) return 0;
      print(io, input.isJson, { ...report, findings }, () => {
        const erasures = erased === 0 ? "" : ` (${erased} with a disclosure erased)`;
        const counts = `${events} events${erasures} of ${subjects.url} links, ${subjects.user} users and ${subjects.key} keys`;
        return report.isTrue
          ? `verified ${counts}: all true\n`
          : `verified ${counts}: ${report.findings} false, named above\n`;
      });
      return report.isTrue ? 0 : 6;
    } finally {
      await store.close();
    }
  },
};

export const keygenCommand: Command = {
  name: "log keygen",
  summary: "Make the audit log's key: one for all replicas of a store. Whoever has it can write events that verify.",
  args: [],
  flags: [
    { name: "out", value: "FILE", help: "where to write it, mode 0600; an existing file is never replaced" },
    { name: "origin", value: "NAME", help: "the log's name, such as go.example.com/log; by default a random one" },
  ],
  settings: [],
  examples: ["deadletter log keygen --out log.key --origin go.example.com/log"],
  run(input, io) {
    const out = input.value("out");
    if (out === undefined)
      throw badRequest("--out is needed: the file to write the key to", "see: deadletter log keygen --help");
    const key = createLogKey(
      input.value("origin") ?? `deadletter.local/${randomBytes(4).toString("hex")}`,
      randomBytes(32),
    );
    try {
      writeNewFile(out, `${encodeLogKey(key)}\n`);
    } catch (error) {
      throw (error as { code?: string }).code === "EEXIST"
        ? new DeadletterError("conflict", `${out} exists already`, {
            hint: "a key in use must not be replaced; choose another name",
          })
        : badRequest(`cannot write ${out}: ${messageOf(error)}`);
    }
    const report = { file: out, origin: key.origin, verifier_key: encodeVerifierKey(key) };
    print(
      io,
      input.isJson,
      report,
      () =>
        `wrote ${out}; keep a copy off this host, and start with DEADLETTER_LOG_KEY_FILE=${out}\nverifier key: ${report.verifier_key}\n`,
    );
    return Promise.resolve(0);
  },
};

export const configCommand: Command = {
  name: "config",
  summary: "Print the effective settings and where each comes from. Secrets are hidden.",
  args: [],
  flags: [],
  settings: SETTINGS.map(({ name }) => name),
  examples: ["deadletter config", "PORT=8080 deadletter config --json"],
  run(input, io) {
    const values = SETTINGS.map((setting) => ({
      name: setting.name,
      flag: setting.flag === undefined ? null : `--${setting.flag}`,
      environment: setting.env,
      value: describeValue(setting, input.config[setting.name]),
      origin: input.origins[setting.name],
    }));
    const rows = values.map(({ environment, value, origin }) => [environment, value, origin]);
    print(io, input.isJson, values, () => table(["SETTING", "VALUE", "FROM"], rows));
    return Promise.resolve(0);
  },
};

export const versionCommand: Command = {
  name: "version",
  summary: "Print the version.",
  args: [],
  flags: [],
  settings: [],
  examples: ["deadletter version --json"],
  run(input, io) {
    const report = { version: VERSION, bun: Bun.version, platform: `${process.platform}-${process.arch}` };
    print(io, input.isJson, report, () => `deadletter ${VERSION}\n`);
    return Promise.resolve(0);
  },
};

export const healthcheckCommand: Command = {
  name: "healthcheck",
  summary: "Ask a running server whether it is ready; exits 7 if it is not. For container health checks.",
  args: [],
  flags: [],
  settings: ["server", "host", "port"],
  examples: ["deadletter healthcheck", "deadletter healthcheck --server http://127.0.0.1:8080 --json"],
  async run(input, io) {
    const { server, host, port } = input.config;
    const address = server ?? `http://${urlHost(host)}:${port}`;
    let response: Response;
    let body: { status?: string };
    try {
      response = await fetch(`${address}/readyz`, { signal: AbortSignal.timeout(HEALTHCHECK_MS) });
      body = (await response.json()) as { status?: string };
    } catch (error) {
      throw unavailable(`no deadletter answers at ${address}`, { cause: error });
    }
    print(io, input.isJson, body, () => `${body.status ?? "unknown"}\n`);
    return response.ok ? 0 : 7;
  },
};
