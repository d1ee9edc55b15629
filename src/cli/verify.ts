// verify: holds the store, or an exported log, against its own history, its signed log and checkpoints kept elsewhere.

import { existsSync } from "node:fs";
import { checkpointPath } from "../app/audit.ts";
import { findLogKey } from "../app/log-key-file.ts";
import { openStore, refuseMissingStore } from "../app/open-store.ts";
import { readCheckpoint, readStatements, type Statement } from "../audit/checkpoint-memory.ts";
import type { Finding } from "../audit/finding.ts";
import { writeLastVerify } from "../audit/last-verify.ts";
import { verify } from "../audit/verify.ts";
import { verifyExport } from "../audit/verify-export.ts";
import type { SavedCheckpoint } from "../audit/verify-log.ts";
import { badRequest, DeadletterError, messageOf } from "../errors.ts";
import { SYSTEM } from "../runtime/outside.ts";
import { schemaStatus } from "../store/migrate.ts";
import type { VerifierKey } from "../tlog/note.ts";
import { type Command, type Input, type Io, readVerifierKey, refuseServer, STORE_SETTINGS } from "./command.ts";
import { print, progress } from "./output.ts";
import { printable } from "./text.ts";

export const verifyCommand: Command = {
  name: "verify",
  summary:
    "Check every subject against its history, every event's hashes, disclosures and tag, and the signed log. Exits 6 if anything is false.",
  args: [],
  flags: [
    {
      name: "checkpoint",
      value: "FILE",
      help: "a checkpoint saved earlier outside the database, which the log must extend",
    },
    {
      name: "rollback",
      value: "FILE",
      help: "the signed statement that the log was rolled back behind it (GET /log/rollbacks/EPOCH)",
    },
    { name: "export", value: "DIR", help: "check an exported log instead of the store; needs --vkey" },
    { name: "vkey", value: "KEY", help: "the log's verifier key, or a file that holds it (deadletter log vkey)" },
    { name: "quiet", help: "print only what is false; nothing if all is true" },
  ],
  settings: STORE_SETTINGS,
  examples: [
    "deadletter verify",
    "deadletter verify --checkpoint /mnt/elsewhere/checkpoint --quiet",
    "deadletter verify --checkpoint ./kept --rollback ./statement",
    "deadletter verify --export ./log --vkey log.vkey",
    "deadletter verify --json | jq .findings",
  ],
  run: (input, io) => {
    const folder = input.value("export");
    return folder === undefined ? verifyStore(input, io) : verifyFolder(input, io, folder);
  },
};

async function verifyStore(input: Input, io: Io): Promise<number> {
  const { config } = input;
  if (input.value("vkey") !== undefined)
    throw badRequest("--vkey goes with --export: a store is checked with its own log key");
  refuseServer(input, "verify", "; to check a server: log export DIR, then verify --export DIR --vkey KEY");
  refuseMissingStore(config);
  const store = await openStore(config);
  try {
    const { pending } = await schemaStatus(store);
    if (pending.length > 0)
      throw new DeadletterError("unavailable", `the schema of ${store.place} is not up to date`, {
        hint: "run: deadletter migrate",
      });
    const { key, objection } = await findLogKey(config, store, SYSTEM);
    const remembered = checkpointPath(config);
    const saved = readSaved(input, key, objection === undefined && existsSync(remembered) ? [remembered] : []);
    const talk = conversation(input, io, "verified events");
    const given = readGiven(input, key);
    const report = await verify(store, key, { ...talk, saved, given, objection });
    keepResult(input, report.isTrue, io);
    return talk.conclude({ ...report, store: store.place }, () => {
      const { events, erased, subjects, log } = report;
      const { place } = store;
      const erasures = erased === 0 ? "" : ` (${erased} with a disclosure erased)`;
      const waiting = log.pending === 0 ? "" : `, ${log.pending} on their way into it`;
      return (
        `${place}: ${events} events${erasures} of ${subjects.url} links, ${subjects.user} users and ${subjects.key} keys, ` +
        `the signed log of ${log.size} entries${waiting}${describeSaved(saved, given)}`
      );
    });
  } finally {
    await store.close();
  }
}

/** For /metrics of a server on the same data directory. */
function keepResult({ config: { dataDir }, isOn }: Input, isTrue: boolean, io: Io): void {
  // On a host where nobody serves there is none.
  if (!existsSync(dataDir)) return;
  try {
    writeLastVerify(SYSTEM.files, dataDir, { at_ms: SYSTEM.clock.now(), is_true: isTrue });
  } catch (error) {
    if (!isOn("quiet")) io.err(`the result is not kept for /metrics: ${printable(messageOf(error))}\n`);
  }
}

function verifyFolder(input: Input, io: Io, folder: string): Promise<number> {
  const vkey = input.value("vkey");
  if (vkey === undefined)
    throw badRequest("--vkey is needed: the key that the log must be signed with", "deadletter log vkey prints it");
  const key = readVerifierKey(vkey);
  const saved = readSaved(input, key, []);
  const talk = conversation(input, io, "verified entries");
  const given = readGiven(input, key);
  const report = verifyExport(folder, key, { ...talk, saved, given });
  return Promise.resolve(
    talk.conclude(
      report,
      () =>
        `${report.size} entries of ${report.subjects} subjects, signed by ${key.origin}${describeSaved(saved, given)}`,
    ),
  );
}

/** The checkpoint named by --checkpoint, and what this host remembers itself. */
function readSaved(input: Input, key: VerifierKey, others: readonly string[]): SavedCheckpoint[] {
  const named = input.value("checkpoint");
  const places = [...(named === undefined ? [] : [named]), ...others];
  return places.map((place) => ({ place, checkpoint: readCheckpoint(place, key).checkpoint }));
}

/** The statements of the file that --rollback names. */
function readGiven(input: Input, key: VerifierKey): readonly Statement[] {
  const named = input.value("rollback");
  if (named === undefined) return [];
  if (!existsSync(named)) throw badRequest(`there is no file ${named}`);
  return readStatements(named, key);
}

function describeSaved(saved: readonly SavedCheckpoint[], given: readonly Statement[]): string {
  const against = saved.map(({ place, checkpoint }) => `, held against ${place} at ${checkpoint.size}`);
  const allowing = given.map(({ rollback }) => `, allowing for the rollback to epoch ${rollback.epoch}`);
  return [...against, ...allowing].join("");
}

/** What is said while a verification runs and at its end: findings as they come, then one line or one JSON object. */
export function conversation(input: Input, io: Io, label: string) {
  const findings: Finding[] = [];
  const isQuiet = input.isOn("quiet");
  const meter = progress(isQuiet ? { ...io, err: () => {} } : io, label);
  return {
    onProgress: meter.update,
    onFinding(finding: Finding): void {
      if (input.isJson) findings.push(finding);
      else io.out(`FALSE ${printable(finding.subject)}: ${printable(finding.detail)}\n`);
    },
    /** The exit code. */
    conclude<Report extends { isTrue: boolean; findings: number }>(report: Report, describe: () => string): number {
      meter.end();
      if (isQuiet && report.isTrue) return 0;
      const verdict = report.isTrue ? "all true" : `${report.findings} false, named above`;
      print(io, input, { ...report, findings }, () => `checked ${describe()}: ${verdict}\n`);
      return report.isTrue ? 0 : 6;
    },
  };
}
