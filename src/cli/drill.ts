// drill restore: what nobody should do for the first time on the day it is needed.

import { type DrillReport, drillRestore } from "../app/drill.ts";
import { type Command, refuseServer, STORE_SETTINGS } from "./command.ts";
import { conversation } from "./verify.ts";

export const drillRestoreCommand: Command = {
  name: "drill restore",
  summary:
    "Take a backup, restore it beside the store, verify and time it, and leave nothing. Exits 6 if it is not true.",
  args: [],
  flags: [
    { name: "backup", value: "FILE", help: "try this backup of the embedded store, instead of a new one" },
    { name: "dir", value: "DIR", help: "where copies are made; default: the system's temporary folder" },
    { name: "quiet", help: "print only what is false; nothing if all is true" },
  ],
  settings: STORE_SETTINGS,
  examples: [
    "deadletter drill restore",
    "deadletter drill restore --backup /mnt/backups/deadletter-2026-11-25.db --dir /mnt/scratch --json",
  ],
  async run(input, io) {
    refuseServer(input, "drill restore");
    const talk = conversation(input, io, "verified events");
    const options = { ...talk, folder: input.value("dir"), backup: input.value("backup") };
    const report = await drillRestore(input.config, options);
    return talk.conclude(report, () => describe(report));
  },
};

function describe({ bytes, backupMs, restoreMs, events, log, entriesBehind }: DrillReport): string {
  const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
  const taken = backupMs === undefined ? "the backup" : `a backup taken in ${seconds(backupMs)}`;
  const lacking = entriesBehind === 0 ? "" : `, ${entriesBehind} entries fewer than this host knows of`;
  return (
    `${taken} (${(bytes / 2 ** 20).toFixed(1)} MiB), restored and checked in ${seconds(restoreMs)}: ${events} events, ` +
    `the signed log of ${log.size} entries${lacking}; nothing was left behind`
  );
}
