// log accept-rollback: says, signed, that the log went back, so that replicas which remember more of it go on.

import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { checkpointPath } from "../app/audit.ts";
import { localOperator, open } from "../app/open.ts";
import { refuseMissingStore } from "../app/open-store.ts";
import { readCheckpoint, readStatements, rollbacksPath } from "../audit/checkpoint-memory.ts";
import { badRequest, conflict, messageOf } from "../errors.ts";
import { acceptRollback } from "../operations/rollback.ts";
import { systemFiles } from "../runtime/files.ts";
import { createLogger } from "../runtime/logger.ts";
import { type Command, refuseServer, STORE_SETTINGS } from "./command.ts";
import { print } from "./output.ts";
import { printable } from "./text.ts";

export const acceptRollbackCommand: Command = {
  name: "log accept-rollback",
  summary:
    "Sign that entries lost in a failover or a restored backup are given up. Replicas keep serving while it runs.",
  args: [],
  flags: [
    {
      name: "checkpoint",
      value: "FILE",
      help: "the newest checkpoint to give up; by default the one this host remembers",
    },
    { name: "reason", value: "TEXT", help: "required: what happened; it is published" },
    {
      name: "out",
      value: "FILE",
      help: "also write the signed statement here, for auditors who kept an older checkpoint",
    },
    { name: "dry-run", help: "show what would be given up, and change nothing" },
  ],
  settings: STORE_SETTINGS,
  examples: [
    "deadletter log accept-rollback --dry-run --reason 'primary lost, standby promoted'",
    "deadletter log accept-rollback --checkpoint /mnt/elsewhere/checkpoint --reason 'restored the backup of Monday'",
  ],
  async run(input, io) {
    const { config } = input;
    refuseServer(input, "log accept-rollback");
    refuseMissingStore(config);
    const reason = input.value("reason")?.trim() ?? "";
    if (reason === "")
      throw badRequest("--reason is required: say what happened", "see: deadletter log accept-rollback --help");
    const remembered = checkpointPath(config);
    const place = input.value("checkpoint") ?? remembered;
    if (!existsSync(place))
      throw badRequest(
        `there is no checkpoint ${place}`,
        "name one with --checkpoint FILE, from a replica or an auditor",
      );
    const isDryRun = input.isOn("dry-run");
    const out = input.value("out");
    if (out !== undefined) refuseUnwritable(out);
    const deadletter = await open(config, { log: createLogger("error"), via: localOperator("cli") });
    try {
      const { core, self } = deadletter;
      const { checkpoint: old } = readCheckpoint(place, core.logKey);
      const knownEpoch = readStatements(rollbacksPath(remembered), core.logKey).at(-1)?.rollback.epoch ?? 0;
      const { note, rollback } = await acceptRollback(core, self, { old, knownEpoch, reason, isDryRun });
      if (!isDryRun) await takeUp(deadletter.auditLog.createSequencer());
      if (out !== undefined && !isDryRun) writeStatement(out, note, rollback.epoch);
      const report = {
        epoch: rollback.epoch,
        old_size: rollback.old.size,
        new_size: rollback.new.size,
        dry_run: isDryRun,
        // Signed, it would be taken for one that was accepted.
        ...(isDryRun ? {} : { statement: note }),
      };
      print(io, input, report, () => describe(report, note));
      return 0;
    } finally {
      await deadletter.close();
    }
  },
};

/** This host remembers the new history at once; a process of it that serves does so by itself. */
async function takeUp(sequencer: { runBatch(): Promise<unknown>; flush(): void }): Promise<void> {
  await sequencer.runBatch();
  sequencer.flush();
}

/** Before anything is accepted. Throws conflict where there is a file, bad_request where there is no folder for one. */
function refuseUnwritable(path: string): void {
  if (existsSync(path)) throw conflict(`${path} exists already`, "name another with --out");
  const folder = dirname(resolve(path));
  if (!existsSync(folder)) throw badRequest(`--out: there is no folder ${folder}`);
}

function writeStatement(path: string, note: string, epoch: number): void {
  try {
    systemFiles.create(path, note);
  } catch (error) {
    throw badRequest(
      `the rollback is accepted, but ${path} cannot be written: ${messageOf(error)}`,
      `do not run this again: the statement is at /log/rollbacks/${epoch}`,
    );
  }
}

interface Report {
  readonly epoch: number;
  readonly old_size: number;
  readonly new_size: number;
  readonly dry_run: boolean;
}

function describe({ epoch, old_size, new_size, dry_run }: Report, note: string): string {
  // Where others were added since, some of those before may be lost as well: no tree is left that would tell.
  const lost = `the log of ${old_size} entries, at least ${Math.max(1, old_size - new_size)} of them lost,`;
  const verb = dry_run ? "would be given up" : "is given up";
  const end = dry_run ? "nothing was changed\n" : `\n${printable(note.trimEnd()).replaceAll("\u{fffd}", "\n")}\n`;
  return `${lost} ${verb}; the log goes on from ${new_size} entries as epoch ${epoch}\n${end}`;
}
