// Creates a link.

import { conflict, DeadletterError, notFound } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { checkReason } from "../model/event.ts";
import { isAtLeast } from "../model/key.ts";
import {
  checkCode,
  checkOriginalUrl,
  checkTitle,
  generateCode,
  type Link,
  type LinkRow,
  linkFromRow,
} from "../model/link.ts";
import { parseTime } from "../model/time.ts";
import { insertLink, nextLinkId } from "../store/queries/links.ts";
import { findUser } from "../store/queries/users.ts";
import { isUniqueViolation } from "../store/store.ts";
import { type Caller, type Core, mutate, record } from "./core.ts";

export interface NewLink {
  readonly original_url: string;
  readonly title?: string;
  readonly short_code?: string;
  readonly expires_at?: string | null;
  readonly user_id?: number;
  readonly reason?: string;
}

/**
 * Throws bad_request for a target, code, title or time that breaks a rule, not_found for an owner who is none, forbidden when somebody but an admin
 * names another owner, conflict when the code is taken (a deleted link keeps its code for ever).
 */
export async function shorten(core: Core, caller: Caller, input: NewLink): Promise<Link> {
  const draft = {
    original_url: checkOriginalUrl(input.original_url, core.ownHosts()),
    title: checkTitle(input.title ?? ""),
    expires_at_ms: input.expires_at == null ? null : parseTime("expires_at", input.expires_at),
    user_id: ownerOf(caller, input.user_id),
  };
  const reason = checkReason(input.reason);
  const givenCode = input.short_code === undefined ? undefined : checkCode(input.short_code);
  for (let attempt = 1; ; attempt++) {
    const code = givenCode ?? generateCode(core.randomBytes);
    try {
      return await createLink(core, caller, { ...draft, short_code: code }, reason);
    } catch (error) {
      if (!isUniqueViolation(error, "urls_short_code_key")) throw error;
      if (givenCode !== undefined)
        throw conflict(`short_code: "${code}" is taken`, "a code is never reused, not even a deleted link's");
      if (attempt === LIMITS.generatedCodeTries)
        throw new DeadletterError("internal_error", "no free short code was found", { cause: error });
    }
  }
}

type Draft = Pick<LinkRow, "original_url" | "title" | "expires_at_ms" | "user_id" | "short_code">;

function createLink(core: Core, caller: Caller, draft: Draft, reason: string | null): Promise<Link> {
  return mutate(core, caller, async (work) => {
    if (draft.user_id !== null && draft.user_id !== caller.userId) {
      const [owner] = await findUser(work.tx, draft.user_id);
      if (!owner || owner.is_active === 0) throw notFound(`user_id: there is no active user ${draft.user_id}`);
    }
    const id = (await nextLinkId(work.tx))[0]?.id ?? 0;
    const atMs = core.clock();
    const row = { ...draft, id, is_active: 1, created_at_ms: atMs, updated_at_ms: atMs, version: 1 };
    const link = linkFromRow({ ...row, head: new Uint8Array() });
    await record(work, {
      type: "url",
      op: "created",
      row,
      state: link,
      atMs,
      previousHead: null,
      reason,
      write: insertLink,
    });
    return link;
  });
}

function ownerOf(caller: Caller, userId: number | undefined): number | null {
  if (userId === undefined || userId === caller.userId) return caller.userId;
  if (!isAtLeast(caller.role, "admin"))
    throw new DeadletterError("forbidden", "user_id: only an admin may create a link for another user");
  return userId;
}
