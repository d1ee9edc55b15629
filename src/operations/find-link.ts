// Finds the caller's link that is the same already, or makes it: whoever asks twice for a short link gets one.

import { unauthorized } from "../errors.ts";
import type { Caller } from "../model/caller.ts";
import { checkCommand } from "../model/command.ts";
import { type Link, type LinkCreate, type LinkRow, linkFromRow } from "../model/link.ts";
import { LINK_TARGETS, targetKey } from "../model/link-sides.ts";
import { newLinkOf } from "../model/link-subject.ts";
import { USER } from "../model/user.ts";
import { findSameLink } from "../store/queries/links.ts";
import { lockSubjects } from "../store/queries/subjects.ts";
import { transact } from "./apply.ts";
import type { Core, Work } from "./context.ts";
import { isKeyGood } from "./prepare.ts";
import { assertComplete } from "./side-tables.ts";

export interface FoundOrMade {
  readonly link: Link;
  readonly isFound: boolean;
}

/**
 * A live link of the same owner with the same target, title and options, and with the same code where one is asked for; else a new
 * one. The owner's row is locked, so two that ask at once get one link; the operator's own links have no owner, and there two that
 * ask at once may get one each on PostgreSQL. Throws as apply() does, and unavailable until every link's target can be looked up.
 */
export function findOrMakeLink(core: Core, caller: Caller, command: LinkCreate): Promise<FoundOrMade> {
  checkCommand(command, caller, core.ownHosts());
  return transact(core, caller, async (work) => {
    const found = await find(work, command);
    if (found) return { link: linkFromRow(found), isFound: true };
    const [outcome] = await work.apply([command]);
    return { link: outcome?.state as Link, isFound: false };
  });
}

async function find({ core, caller, tx }: Work, command: LinkCreate): Promise<LinkRow | undefined> {
  // apply() asks about the key, and where the link is found nothing is applied.
  if (!(await isKeyGood(tx, caller, core.clock.now()))) throw unauthorized("the key is not valid");
  const { code, reason: _, ...wanted } = newLinkOf(command, caller, core.ownHosts());
  if (wanted.user_id !== null) await lockSubjects(tx, USER, { ids: [wanted.user_id], names: [] });
  await assertComplete(tx, LINK_TARGETS);
  const key = targetKey(wanted.original_url);
  return (await findSameLink(tx, wanted, { targetKey: key, code, nowMs: core.clock.now() }))[0];
}
