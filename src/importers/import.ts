// The first version's data as commands, and what they came to: one `imported` event a subject, with its old history verbatim inside.

import { LIMITS } from "../limits.ts";
import type { Caller } from "../model/caller.ts";
import { LINK } from "../model/link-subject.ts";
import { formatTime } from "../model/time.ts";
import { USER } from "../model/user.ts";
import type { Core } from "../operations/context.ts";
import { type Entry, type ImportCounts, type ImportOptions, importAll } from "../operations/import.ts";
import type { LegacyUser } from "./records.ts";
import type { StagedLink, Staging } from "./staging.ts";

export interface ImportReport {
  readonly users: ImportCounts;
  readonly links: ImportCounts;
  readonly events: number;
  readonly contradictions: Contradictions;
}

/** Codes of links whose old history cannot have led to their state. The state is kept, and the history beside it. */
export interface Contradictions {
  readonly active_though_deleted: readonly string[];
  readonly inactive_without_deletion: readonly string[];
}

/** Throws as importAll() does. */
export async function importLegacy(
  core: Core,
  caller: Caller,
  staging: Staging,
  options: ImportOptions,
): Promise<ImportReport> {
  const { counts } = staging;
  const users = {
    subject: USER,
    count: counts.users,
    largestId: staging.largestId("users"),
    batches: () => entriesOf(staging.users(LIMITS.importBatchRows), userEntry),
  };
  const links = {
    subject: LINK,
    count: counts.links,
    largestId: staging.largestId("links"),
    batches: () => entriesOf(staging.links(LIMITS.importBatchRows), linkEntry),
    isComing: (userId: number) => staging.hasUser(userId),
  };
  const [users_ = NONE, links_ = NONE] = await importAll(core, caller, [users, links], options);
  return { users: users_, links: links_, events: counts.events, contradictions: staging.contradictions() };
}

const NONE: ImportCounts = { imported: 0, unchanged: 0 };

function* entriesOf<Row>(batches: Iterable<readonly Row[]>, entryOf: (row: Row) => Entry): Generator<readonly Entry[]> {
  for (const batch of batches) yield batch.map(entryOf);
}

function userEntry({ line, id, username, email, createdAtMs }: LegacyUser): Entry {
  return {
    place: `users line ${line}: user ${id} (${username})`,
    command: { type: "user.import", id, username, email, created_at: formatTime(createdAtMs) },
  };
}

function linkEntry(link: StagedLink): Entry {
  return {
    place: `urls line ${link.line}: link ${link.id} (${link.code})`,
    command: {
      type: "link.import",
      id: link.id,
      short_code: link.code,
      original_url: link.originalUrl,
      title: link.title,
      is_active: link.isActive,
      user_id: link.userId,
      created_at: formatTime(link.createdAtMs),
      updated_at: formatTime(link.updatedAtMs),
      legacy_history: link.history.map((event) => ({ ...event })),
    },
  };
}
