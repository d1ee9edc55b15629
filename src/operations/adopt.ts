// Brings links in that another product had, each with an event that says so: under ids of their own, beside the links that are there.
// A second run changes nothing: a link that came from the same product and led to the same target is known by its code.

import { stateOf } from "../audit/event.ts";
import { DeadletterError } from "../errors.ts";
import type { Caller } from "../model/caller.ts";
import type { Link, LinkAdopt } from "../model/link.ts";
import { LINK } from "../model/link-subject.ts";
import { addImportedClicks } from "../store/queries/clicks.ts";
import { listFirstEvents } from "../store/queries/events.ts";
import { listTaken } from "../store/queries/subjects.ts";
import type { Sql } from "../store/store.ts";
import { transact } from "./apply.ts";
import type { Core } from "./context.ts";
import { keepPace } from "./pace.ts";

/** A link that keeps the rules for links. */
export interface Adoptable {
  readonly place: string;
  readonly command: LinkAdopt;
  readonly lost: readonly string[];
}

/** What became of it, or would. */
export interface Adopted {
  readonly link: Adoptable;
  readonly outcome: "imported" | "unchanged" | { readonly refusal: string };
}

/**
 * At most LIMITS.importBatchRows in one transaction. Where one of them is refused, it is found by halves, and the others are brought
 * in all the same. A dry run meets every rule, and leaves nothing.
 */
export async function adoptLinks(
  core: Core,
  caller: Caller,
  part: readonly Adoptable[],
  options: { readonly isDryRun: boolean },
): Promise<Adopted[]> {
  if (!options.isDryRun) await keepPace(core);
  try {
    return await adoptTogether(core, caller, part, options);
  } catch (error) {
    if (!(error instanceof DeadletterError) || error.code === "unavailable") throw error;
    const [only] = part;
    if (part.length === 1 && only) return [{ link: only, outcome: { refusal: error.message } }];
    const middle = Math.ceil(part.length / 2);
    return [
      ...(await adoptLinks(core, caller, part.slice(0, middle), options)),
      ...(await adoptLinks(core, caller, part.slice(middle), options)),
    ];
  }
}

function adoptTogether(
  core: Core,
  caller: Caller,
  part: readonly Adoptable[],
  { isDryRun }: { readonly isDryRun: boolean },
): Promise<Adopted[]> {
  return transact(
    core,
    caller,
    async ({ tx, apply }) => {
      const known = await readKnown(tx, part);
      const found = part.filter((link) => !known.has(link));
      const outcomes = await apply(found.map(({ command }) => command));
      const clicks = found.flatMap(({ command }, at) => {
        const counted = command.imported_from.clicks;
        const made = outcomes[at]?.state as Link | undefined;
        return made && counted > 0 ? [{ url_id: made.id, clicks: counted }] : [];
      });
      if (clicks.length > 0) await addImportedClicks(tx, clicks);
      return part.map((link) => ({ link, outcome: known.get(link) ?? "imported" }));
    },
    { isBulk: true, isDryRun },
  );
}

/** Those whose codes are taken: by themselves, or by something else. */
async function readKnown(sql: Sql, part: readonly Adoptable[]): Promise<Map<Adoptable, Adopted["outcome"]>> {
  const taken = await listTaken(
    sql,
    LINK,
    LINK.uniques.urls_short_code_key as NonNullable<(typeof LINK.uniques)[string]>,
    part.map(({ command }) => command.short_code),
  );
  const ids = new Map(taken.map(({ value, id }) => [value, id]));
  const firsts = new Map(
    (ids.size === 0 ? [] : await listFirstEvents(sql, LINK.type, [...ids.values()])).map((event) => [
      event.subject_id,
      stateOf(event.state),
    ]),
  );
  return new Map(
    part.flatMap((link) => {
      const { short_code, original_url, imported_from } = link.command;
      const id = ids.get(short_code);
      if (id === undefined) return [];
      const first = firsts.get(id);
      const from = first?.imported_from as LinkAdopt["imported_from"] | undefined;
      const isOurs = from?.product === imported_from.product;
      const refusal = isOurs
        ? `was imported before, when it led to ${JSON.stringify(String(first?.original_url).slice(0, 200))}`
        : "its code is taken";
      return [[link, isOurs && first?.original_url === original_url ? "unchanged" : { refusal }] as const];
    }),
  );
}
