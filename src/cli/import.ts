// import: the first version's three CSV files, into the configured store, all or nothing.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { baseUrlOf, listenersOf } from "../app/listen.ts";
import { localOperator, open } from "../app/open.ts";
import { hasStore } from "../app/open-store.ts";
import { badRequest, messageOf } from "../errors.ts";
import { type LegacyFile, parseLegacy } from "../importers/deadletter-v1.ts";
import { type ImportReport, importLegacy } from "../importers/import.ts";
import { ownHostsOf } from "../model/target.ts";
import { createLogger } from "../runtime/logger.ts";
import { type Command, type Input, refuseServer, STORE_SETTINGS } from "./command.ts";
import { print, progress } from "./output.ts";

export const importCommand: Command = {
  name: "import",
  summary: "Import the first version's users, links and history, all or nothing. A second run changes nothing.",
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
    const files = {
      users: readInput(input, "users"),
      urls: readInput(input, "urls"),
      events: readInput(input, "events"),
    };
    const data = parseLegacy(
      files,
      ownHostsOf(baseUrlOf(input.config), listenersOf(input.config), input.config.ownHosts),
    );
    const isDryRun = input.isOn("dry-run");
    // Where there is no store yet, a dry run is made on one that is gone afterwards.
    const scratch =
      isDryRun && !hasStore(input.config) ? mkdtempSync(join(tmpdir(), "deadletter-dry-run-")) : undefined;
    const config = scratch === undefined ? input.config : { ...input.config, dataDir: scratch };
    try {
      const deadletter = await open(config, { log: createLogger("error"), via: localOperator("import") });
      const meter = progress(io, isDryRun ? "checked" : "imported");
      try {
        const report = await importLegacy(deadletter.core, deadletter.self, data, {
          isDryRun,
          onProgress: meter.update,
        });
        meter.end();
        const place = scratch === undefined ? deadletter.core.store.place : "a new store";
        print(io, input.isJson, { dry_run: isDryRun, ...report }, () => describe(report, isDryRun, place));
        return 0;
      } finally {
        await deadletter.close();
      }
    } finally {
      if (scratch !== undefined) rmSync(scratch, { recursive: true, force: true });
    }
  },
};

function readInput(input: Input, flag: string): LegacyFile {
  const path = input.value(flag);
  if (path === undefined) throw badRequest(`--${flag} is needed`, "see: deadletter import --help");
  try {
    return { name: basename(path), text: new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(path)) };
  } catch (error) {
    throw badRequest(`cannot read ${path}: ${messageOf(error)}`);
  }
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
