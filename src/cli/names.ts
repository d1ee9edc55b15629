// What people call things on the command line: a link by its code, id or short URL, a user by name or email, a key by its name.

import { badRequest, DeadletterError, notFound } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { isCode, isId } from "../model/code.ts";
import { editDistance } from "../runtime/edit-distance.ts";
import type { Client } from "./client.ts";
import { collect, explainCode, listLinks, showLink } from "./requests.ts";
import { listKeys, listUsers, showUser } from "./user-requests.ts";

/**
 * Runs what is asked of a link with the name that the API knows it by. Throws bad_request for an address that no link of this
 * server has; not_found is thrown on with the codes that look like the one that was typed.
 */
export async function onLink<Result>(
  client: Client,
  text: string,
  run: (name: string) => Promise<Result>,
): Promise<Result> {
  const name = await resolveLink(client, text);
  try {
    return await run(name);
  } catch (error) {
    const isUnknown = error instanceof DeadletterError && error.code === "not_found" && isCode(name);
    const near = isUnknown ? await nearCodes(client, name) : [];
    if (near.length === 0) throw error;
    throw notFound((error as DeadletterError).message, `did you mean ${near.join(", ")}?`);
  }
}

async function nearCodes(client: Client, code: string): Promise<readonly string[]> {
  try {
    const { target, near } = await explainCode(client, code);
    return target === null ? near : [];
  } catch {
    // What was asked for was answered already; a suggestion is not worth another error.
    return [];
  }
}

async function resolveLink(client: Client, text: string): Promise<string> {
  if (!text.includes("/")) return text;
  const address = URL.parse(/^https?:\/\//i.test(text) ? text : `https://${text}`);
  const code = /^\/(?:r\/)?([^/]+?)\+?$/.exec(address?.pathname ?? "")?.[1];
  if (!address || code === undefined || !isCode(code))
    throw badRequest(`${JSON.stringify(text)} is not the address of a short link`, "name its code alone, such as sale");
  // Another server's link may have the same code; what is asked of that one must not be done to this one.
  const { short_url } = await showLink(client, code);
  const own = new URL(short_url);
  if (own.host !== address.host)
    throw badRequest(
      `${address.host} is not where links of this server are reached: that is ${own.host}`,
      `if you mean that one, name its code alone: ${code}`,
    );
  return code;
}

/** Runs what is asked of a user; not_found is thrown on with the names that look like the one that was typed. */
export async function onUser<Result>(
  client: Client,
  name: string,
  run: (name: string) => Promise<Result>,
): Promise<Result> {
  try {
    return await run(name);
  } catch (error) {
    if (!(error instanceof DeadletterError && error.code === "not_found") || isId(name)) throw error;
    const users = await collect(listUsers(client, LIMITS.pageSizeMax)).catch(() => []);
    const near = users.map(({ username }) => username).filter((each) => editDistance(each, name.toLowerCase()) <= 2);
    throw notFound(
      error.message,
      near.length === 0 ? "see who there is with: deadletter users list" : `did you mean ${near.join(", ")}?`,
    );
  }
}

/** The id of a user that is named in a flag; undefined where none is. */
export async function findUserId(client: Client, name: string | undefined): Promise<number | undefined> {
  if (name === undefined) return undefined;
  if (isId(name)) return Number(name);
  return onUser(client, name, async () => (await showUser(client, name)).id);
}

/** The id of a key, by its id or its name. Throws not_found, and bad_request where two of the user's keys are called so. */
export async function findKeyId(client: Client, user: string, name: string): Promise<number> {
  const keys = await onUser(client, user, () => listKeys(client, user));
  const called = keys.filter((key) => key.name === name);
  if (isId(name) && called.every(({ id }) => id === Number(name))) return Number(name);
  if (isId(name) && keys.some(({ id }) => id === Number(name)))
    throw badRequest(
      `${user} has a key ${name}, and another one that is called so: ${called.map(({ id }) => id).join(", ")}`,
      `name that one by its id, or key ${name} by its name`,
    );
  const live = called.filter((key) => key.revoked_at === null);
  const [key, another] = live.length > 0 ? live : called;
  if (key === undefined)
    throw notFound(
      `${user} has no key ${JSON.stringify(name)}`,
      `see which there are with: deadletter keys list ${user}`,
    );
  if (another !== undefined)
    throw badRequest(
      `${user} has keys ${called.map(({ id }) => id).join(" and ")} that are called ${JSON.stringify(name)}`,
      "name one by its id",
    );
  return key.id;
}

/** A key as `7`, or as `ada/laptop`. */
export async function findKeyIdIn(client: Client, text: string | undefined): Promise<number | undefined> {
  if (text === undefined) return undefined;
  if (isId(text)) return Number(text);
  const [user = "", name = ""] = text.split(/\/(.*)/s);
  if (user === "" || name === "") throw badRequest(`${JSON.stringify(text)} is no key: write its id, or USER/NAME`);
  return findKeyId(client, user, name);
}

/** A target without a scheme is taken as https; all else is the server's to judge. */
export function completeTarget(text: string): string {
  const host = /^[^\s/:@?#]+\.[^\s/:@?#]+(?::\d{1,5})?(?=[/?#]|$)/.exec(text);
  return host === null ? text : `https://${text}`;
}

/** Throws not_found for a tag that no link has, and for a user or a link there never was. */
export async function assertNames(
  client: Client,
  { tag, user_id, short_code }: { tag?: string; user_id?: string; short_code?: string },
): Promise<void> {
  if (short_code !== undefined) await showLink(client, short_code);
  if (user_id !== undefined) await showUser(client, user_id);
  for (const each of tag?.split(",") ?? [])
    if ((await collect(listLinks(client, { tag: each }, 1))).length === 0)
      throw new DeadletterError("not_found", `no link has the tag ${JSON.stringify(each)}`, {
        hint: "see which there are with: deadletter tags list",
      });
}
