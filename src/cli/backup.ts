// backup, and restore of a backup: the embedded store's way out of a lost disk.

import { type BackupReport, backUp, restoreBackup } from "../app/backup.ts";
import { badRequest } from "../errors.ts";
import { type Command, type Input, type Io, refuseServer, STORE_SETTINGS } from "./command.ts";
import { printable } from "./text.ts";
import { conversation } from "./verify.ts";

export const backupCommand: Command = {
  name: "backup",
  summary:
    "Copy the embedded store while it is served, and verify the copy. The log key is not in it: keep that apart.",
  args: ["FILE"],
  flags: [],
  settings: STORE_SETTINGS,
  examples: ["deadletter backup /mnt/backups/deadletter-$(date +%F).db", "deadletter backup copy.db --json"],
  async run(input, io) {
    refuseServer(input, "backup");
    const talk = conversation(input, io, "verified events");
    const report = await backUp(input.config, input.args[0] ?? "", talk);
    return talk.conclude(report, () => describe(report));
  },
};

function describe({ file, bytes, events, log }: BackupReport): string {
  return `${file}: ${events} events, the signed log of ${log.size} entries, ${(bytes / 2 ** 20).toFixed(1)} MiB; keep a copy of log.key as well`;
}

/** What `deadletter restore FILE` does; restore of a link is in urls.ts. */
export async function restoreFile(input: Input, io: Io, file: string): Promise<number> {
  refuseServer(input, "restore");
  if (input.value("reason") !== undefined) throw badRequest("--reason goes with a link, not with a backup");
  const named = input.value("checkpoint");
  const talk = conversation(input, io, "verified events");
  const report = await restoreBackup(input.config, file, {
    ...talk,
    checkpoints: named === undefined ? [] : [named],
    mayRollBack: input.isOn("allow-rollback"),
  });
  const { dataDir, events, log, behind } = report;
  const code = talk.conclude(report, () =>
    report.isTrue
      ? `${file} into ${dataDir}: ${events} events, the signed log of ${log.size} entries`
      : `${file}, which was not restored`,
  );
  if (behind && !input.isJson)
    io.out(
      `the log went back: ${printable(behind.place)} knows of ${behind.size} entries. No changes are taken until you run:\n` +
        `  deadletter log accept-rollback --data-dir ${printable(dataDir)} --reason TEXT\n`,
    );
  return code;
}
