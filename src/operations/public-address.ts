// Where the public reaches redirects, for processes that do not listen and were not told: whoever serves has written it down.

import { findPublicAddress, recordPublicAddress } from "../store/queries/public-address.ts";
import type { Store } from "../store/store.ts";

export interface PublicAddress {
  /** Without a slash at the end. */
  readonly baseUrl: string;
  /** Whether somebody set it, or it is no more than a listener's own address. */
  readonly isSet: boolean;
}

/** Undefined where nobody has served the store yet. */
export async function readPublicAddress(store: Store): Promise<PublicAddress | undefined> {
  const [row] = await store.read(findPublicAddress);
  return row && { baseUrl: row.base_url, isSet: row.is_set === 1 };
}

/**
 * Writes down what this process says, and returns what holds for it now: what was set wins over what nobody set. `other` is what
 * another process was set to, where that is something else.
 */
export function agreeOnPublicAddress(
  store: Store,
  own: PublicAddress,
  nowMs: number,
): Promise<PublicAddress & { readonly other?: string }> {
  return store.begin(async (tx) => {
    const [before] = await findPublicAddress(tx);
    if (before?.base_url !== own.baseUrl || before.is_set !== (own.isSet ? 1 : 0))
      await recordPublicAddress(tx, { base_url: own.baseUrl, is_set: own.isSet ? 1 : 0 }, nowMs);
    // Another process may have come between.
    const [now] = await findPublicAddress(tx);
    if (now && !own.isSet) return { baseUrl: now.base_url, isSet: now.is_set === 1 };
    return before?.is_set === 1 && before.base_url !== own.baseUrl ? { ...own, other: before.base_url } : own;
  });
}
