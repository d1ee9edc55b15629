// An import of another product's links: all of it read and held against the rules, then against the store, then written, a batch a
// transaction. Each link that could not be brought, or not whole, is told with its place and why.

import { badRequest, DeadletterError } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { Caller } from "../model/caller.ts";
import { checkCode } from "../model/code.ts";
import { checkCommand } from "../model/command.ts";
import type { LinkAdopt } from "../model/link.ts";
import { formatTime } from "../model/time.ts";
import { type Adoptable, type Adopted, adoptLinks } from "../operations/adopt.ts";
import type { Core } from "../operations/context.ts";
import { proposeCode, type Read, type SourceLink } from "./source-link.ts";
import { Spool } from "./spool.ts";

export interface ImportLinksOptions {
  readonly product: string;
  readonly isDryRun: boolean;
  /** Whether nothing is written where anything is refused. */
  readonly isAllOrNothing: boolean;
  /** Whether a code that no link can have is replaced by the one that is proposed. */
  readonly takesProposals: boolean;
  readonly owner: number | undefined;
  /** Told as each becomes known, in no other place. */
  readonly onRemark: (remark: Remark) => void;
  readonly onProgress: (step: "read" | "checked" | "imported", done: number, total: number) => void;
}

/** What is to be said of a link. */
export interface Remark {
  readonly place: string;
  readonly code: string | null;
  /** Why it was not imported. */
  readonly refused?: string;
  /** A code that it could have. */
  readonly proposal?: string;
  /** Under which code it was imported instead. */
  readonly renamed_to?: string;
  /** What of it was not carried. */
  readonly lost?: readonly string[];
}

export interface ImportLinksReport {
  read: number;
  imported: number;
  unchanged: number;
  refused: number;
  /** Of those imported: not carried whole, and under another code. */
  partly: number;
  renamed: number;
  clicks: number;
}

export async function importLinks(
  core: Core,
  caller: Caller,
  reads: AsyncIterable<Read>,
  options: ImportLinksOptions,
): Promise<ImportLinksReport> {
  const { isDryRun, isAllOrNothing, onProgress } = options;
  const report: ImportLinksReport = {
    read: 0,
    imported: 0,
    unchanged: 0,
    refused: 0,
    partly: 0,
    renamed: 0,
    clicks: 0,
  };
  const remark = (said: Remark) => {
    if (said.refused !== undefined) report.refused += 1;
    if (said.renamed_to !== undefined) report.renamed += 1;
    options.onRemark(said);
  };
  const spool = new Spool();
  try {
    for await (const read of reads) {
      report.read += 1;
      take(core, caller, read, { ...options, spool, remark });
      if (report.read % LIMITS.importBatchRows === 0) onProgress("read", report.read, report.read);
    }
    if (report.read === 0) throw badRequest("there is no link in it", "is it the export that was meant?");
    const walk = async (step: "checked" | "imported", run: (part: readonly Adoptable[]) => Promise<void>) => {
      let done = 0;
      for (const part of spool.batches(LIMITS.importBatchRows)) {
        await run(part);
        done += part.length;
        onProgress(step, done, spool.count);
      }
    };
    if (isDryRun) {
      await walk("checked", async (part) => tell(await adoptLinks(core, caller, part, { isDryRun }), report, remark));
      return report;
    }
    if (isAllOrNothing) {
      const refusalsAlone = (said: Remark) => {
        if (said.refused !== undefined) remark(said);
      };
      const check = async (part: readonly Adoptable[]) =>
        tell(await adoptLinks(core, caller, part, { isDryRun: true }), { ...report }, refusalsAlone);
      await walk("checked", check);
      if (report.refused > 0) return report;
    }
    await walk("imported", async (part) => tell(await adoptLinks(core, caller, part, { isDryRun }), report, remark));
    return report;
  } finally {
    spool.close();
  }
}

function tell(adopted: readonly Adopted[], report: ImportLinksReport, remark: (said: Remark) => void): void {
  for (const { link, outcome } of adopted) {
    const { place, command, lost } = link;
    const code = command.short_code;
    if (typeof outcome === "object") {
      remark({ place, code, refused: outcome.refusal });
      continue;
    }
    report[outcome] += 1;
    if (outcome === "unchanged") continue;
    report.clicks += command.imported_from.clicks;
    if (lost.length > 0) {
      report.partly += 1;
      remark({ place, code, lost });
    }
  }
}

interface Taking extends ImportLinksOptions {
  readonly spool: Spool;
  readonly remark: (said: Remark) => void;
}

/** Into the spool, or a remark why not. */
function take(core: Core, caller: Caller, read: Read, taking: Taking): void {
  const said = remarkOf(core, caller, read, taking);
  if (said !== undefined)
    taking.remark({ place: read.place, code: read.link?.short_code.slice(0, 200) ?? null, ...said });
}

function remarkOf(
  core: Core,
  caller: Caller,
  { place, link, refusal }: Read,
  taking: Taking,
): Omit<Remark, "place" | "code"> | undefined {
  if (link === undefined) return { refused: refusal ?? "cannot be read" };
  const proposal = isTakeable(link.short_code) ? undefined : proposeCode(link.short_code);
  const short_code = proposal !== undefined && taking.takesProposals ? proposal : link.short_code;
  try {
    const command = commandOf({ ...link, short_code }, taking, formatTime(core.clock.now()));
    checkCommand(command, caller, core.ownHosts());
    const before = taking.spool.add({ place, command, lost: link.lost ?? [] });
    if (before !== undefined) return { refused: `has the code of ${before}` };
    return short_code === link.short_code ? undefined : { renamed_to: short_code };
  } catch (error) {
    if (!(error instanceof DeadletterError)) throw error;
    return { refused: error.message, ...(proposal === undefined ? {} : { proposal }) };
  }
}

function isTakeable(code: string): boolean {
  try {
    return checkCode(code) === code;
  } catch {
    return false;
  }
}

function commandOf({ lost: _, clicks = 0, ...link }: SourceLink, taking: Taking, now: string): LinkAdopt {
  const { tags = [], created_at = now, updated_at = created_at, is_active = true, ...same } = link;
  return {
    ...same,
    type: "link.adopt",
    tags: [...tags],
    is_active,
    created_at,
    updated_at,
    ...(taking.owner === undefined ? {} : { user_id: taking.owner }),
    imported_from: { product: taking.product, clicks },
  };
}
