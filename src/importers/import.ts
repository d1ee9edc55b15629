// The first version's data as commands, and what they came to: one `imported` event a subject, with its old history verbatim inside.

import type { Caller } from "../model/caller.ts";
import { formatTime } from "../model/time.ts";
import type { Core } from "../operations/context.ts";
import { type Entry, type ImportCounts, type ImportOptions, importAll } from "../operations/import.ts";
import type { LegacyData, LegacyLink, LegacyUser } from "./deadletter-v1.ts";

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

/** Throws as importAll() does; all or nothing. */
export async function importLegacy(
  core: Core,
  caller: Caller,
  data: LegacyData,
  options: ImportOptions,
): Promise<ImportReport> {
  const lists = [data.users.map(userEntry), data.links.map(linkEntry)];
  const [users = NONE, links = NONE] = await importAll(core, caller, lists, options);
  return { users, links, events: data.events, contradictions: findContradictions(data.links) };
}

const NONE: ImportCounts = { imported: 0, unchanged: 0 };

function userEntry({ line, id, username, email, createdAtMs }: LegacyUser): Entry {
  return {
    place: `users line ${line}: user ${id} (${username})`,
    command: { type: "user.import", id, username, email, created_at: formatTime(createdAtMs) },
  };
}

function linkEntry(link: LegacyLink): Entry {
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

export function findContradictions(links: readonly LegacyLink[]): Contradictions {
  const wasDeleted = (link: LegacyLink) => link.history.some((event) => event.event_type === "deleted");
  return {
    active_though_deleted: links.filter((link) => link.isActive && wasDeleted(link)).map((link) => link.code),
    inactive_without_deletion: links.filter((link) => !link.isActive && !wasDeleted(link)).map((link) => link.code),
  };
}
