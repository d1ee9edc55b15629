// import: the first version's three CSV files, into the configured store: checked as a whole, then written, safe to run again.

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { baseUrlOf, listenersOf } from "../app/listen.ts";
import { localOperator, open } from "../app/open.ts";
import { hasStore } from "../app/open-store.ts";
import { badRequest } from "../errors.ts";
import { readLegacy } from "../importers/deadletter-v1.ts";
import { type ImportReport, importLegacy } from "../importers/import.ts";
import { ownHostsOf } from "../model/target.ts";
import { createLogger } from "../runtime/logger.ts";
import { type Command, type Input, refuseServer, STORE_SETTINGS } from "./command.ts";
import { print, progress } from "./output.ts";
import { refuseProfile } from "./profiles.ts";

export const importCommand: Command = {
  name: "import",
  summary:
    "Import the first version's users, links and history. All is checked before any is written; a second run changes nothing.",
  args: [],
  flags: [
    {
      name: "users",
      value: "FILE",
      help: "users.csv: id,username,email,created_at; times are UTC, 2025-06-09 11:24:49 or RFC 3339",
    },
    {
      name: "urls",
      value: "FILE",
      help: "urls.csv: id,user_id,short_code,original_url,title,is_active (True or False),created_at,updated_at",
    },
    { name: "events", value: "FILE", help: "events.csv: id,url_id,user_id,event_type,timestamp,details" },
    { name: "dry-run", help: "check everything against the store and report, but change nothing" },
  ],
  settings: [...STORE_SETTINGS, "baseUrl", "migrate"],
  examples: [
    "deadletter import --users users.csv --urls urls.csv --events events.csv --dry-run",
    "deadletter import --users users.csv --urls urls.csv --events events.csv --json",
  ],
  async run(input, io) {
    refuseServer(input, "import");
    refuseProfile(input, "import", io.environment);
    const files = {
      users: readPath(input, "users"),
      urls: readPath(input, "urls"),
      events: readPath(input, "events"),
    };
    const ownHosts = ownHostsOf(baseUrlOf(input.config), listenersOf(input.config), input.config.ownHosts);
    const data = await readLegacy(files, ownHosts);
    const isDryRun = input.isOn("dry-run");
    // Where there is no store yet, a dry run is made on one that is gone afterwards.
    const scratch =
      isDryRun && !hasStore(input.config) ? mkdtempSync(join(tmpdir(), "deadletter-dry-run-")) : undefined;
    const config = scratch === undefined ? input.config : { ...input.config, dataDir: scratch };
    try {
      const deadletter = await open(config, { log: createLogger("error"), via: localOperator("import") });
      const meters = { checked: progress(io, "checked"), imported: progress(io, "imported") };
      try {
        const report = await importLegacy(deadletter.core, deadletter.self, data, {
          isDryRun,
          onProgress(step, done, total) {
            meters[step].update(done, total);
            if (done === total) meters[step].end();
          },
        });
        const place = scratch === undefined ? deadletter.core.store.place : "a new store";
        print(io, input, { dry_run: isDryRun, ...report }, () => describe(report, isDryRun, place));
        return 0;
      } finally {
        await deadletter.close();
      }
    } finally {
      data.close();
      if (scratch !== undefined) rmSync(scratch, { recursive: true, force: true });
    }
  },
};

function readPath(input: Input, flag: string): string {
  const path = input.value(flag);
  if (path === undefined) throw badRequest(`--${flag} is needed`, "see: deadletter import --help");
  if (!existsSync(path)) throw badRequest(`cannot read ${path}: there is no such file`);
  return path;
}

function describe({ users, links, events, contradictions }: ImportReport, isDryRun: boolean, place: string): string {
  const { active_though_deleted: active, inactive_without_deletion: inactive } = contradictions;
  const isUnchanged = users.imported + links.imported === 0;
  const outcome = isUnchanged
    ? `nothing to import: all ${users.unchanged} users and ${links.unchanged} links are here already\n`
    : `${isDryRun ? "would import" : "imported"} ${users.imported} users and ${links.imported} links into ${place}, with ${events} events of their old history` +
      ` (already here: ${users.unchanged} users, ${links.unchanged} links)\n`;
  const list = (title: string, codes: readonly string[]) =>
    codes.length === 0 ? "" : `  ${codes.length} ${title}: ${codes.join(" ")}\n`;
  const found =
    active.length + inactive.length === 0
      ? "no link contradicts its old history\n"
      : `${active.length + inactive.length} links contradict their old history; the state is kept, the history stands beside it:\n` +
        list("active though deleted in history", active) +
        list("inactive without a deletion", inactive);
  return outcome + found;
}
