// The forms in which links are made, edited and handed over.

import { conflict, DeadletterError } from "../../errors.ts";
import type { ListedLink } from "../../http/links.ts";
import { LIMITS } from "../../limits.ts";
import { checkCode } from "../../model/code.ts";
import { checkTitle } from "../../model/link-subject.ts";
import { checkTags } from "../../model/tags.ts";
import { checkOriginalUrl } from "../../model/target.ts";
import { systemClock } from "../../runtime/clock.ts";
import { randomName, systemRandom } from "../../runtime/random.ts";
import type { Client } from "../client.ts";
import { completeTarget } from "../names.ts";
import { localTime, readTimeText } from "../read-time.ts";
import { collect, createLink, editLink, explainCode, type LinkEdit, showLink } from "../requests.ts";
import { changeLines, changesOf } from "../show-event.ts";
import { listUsers } from "../user-requests.ts";
import { askChoice, askReason, askText, begin, sayHint, untilTaken } from "./ask.ts";

interface LinkForm {
  readonly target: string;
  readonly code: string;
  readonly title: string;
  readonly tags: string;
  readonly expires: string;
  readonly reason: string;
}

type NewForm = Omit<LinkForm, "reason">;
type EditForm = Omit<LinkForm, "code">;

/** `onMade` is told of the link before anything is shown again. */
export async function createForm(client: Client, onMade: (id: number) => void): Promise<string> {
  begin("New link");
  const ask = async (typed: Partial<NewForm>): Promise<NewForm> => ({
    target: await askTarget(typed.target),
    code: await askText({
      message: "Short code",
      placeholder: "leave empty to have one generated",
      initial: typed.code,
      // Asked again as it was, it may be taken by what was sent, and whose answer was lost.
      check: (code) => (code === typed.code ? undefined : refuseTaken(client, code)),
    }),
    ...(await askRest(typed)),
  });
  // One that was made, and whose answer was lost, is not made again by what is sent again.
  const keys = new Map<string, string>();
  /** When each was read: `7d` must mean the same moment when it is sent again. */
  const times = new Map<string, string>();
  const link = await untilTaken(ask, async ({ target, code, title, tags, expires }) => {
    const wanted = {
      original_url: completeTarget(target),
      ...(code === "" ? {} : { short_code: code }),
      ...(title === "" ? {} : { title }),
      ...(tags === "" ? {} : { tags: splitTags(tags) }),
      ...(expires === "" ? {} : { expires_at: expires }),
    };
    const typed = JSON.stringify(wanted);
    const key = keys.get(typed) ?? randomName(systemRandom, 16);
    if (!keys.has(typed) && wanted.expires_at !== undefined) times.set(typed, await readTimeText(expires, "ahead"));
    keys.set(typed, key);
    const expires_at = times.get(typed);
    return createLink(client, { ...wanted, ...(expires_at === undefined ? {} : { expires_at }) }, key);
  });
  onMade(link.id);
  return `created ${link.short_url}`;
}

export async function editForm(client: Client, code: string): Promise<string> {
  let link = await showLink(client, code);
  begin(`Edit ${code}, version ${link.version}`);
  const before = {
    target: link.original_url,
    title: link.title,
    tags: link.tags.join(", "),
    expires: link.expires_at ?? "",
  };
  const ask = async (typed: Partial<EditForm>): Promise<EditForm> => ({
    target: await askTarget(typed.target ?? before.target),
    ...(await askRest({ ...before, ...typed })),
    reason: await askText({ message: "Reason", placeholder: "optional; kept in the audit log", initial: typed.reason }),
  });
  const changed = await untilTaken(ask, async ({ target, title, tags, expires, reason }) => {
    const edit: LinkEdit = {
      ...(target === before.target ? {} : { original_url: completeTarget(target) }),
      ...(title === before.title ? {} : { title }),
      ...(tags === before.tags ? {} : { tags: splitTags(tags) }),
      ...(expires === before.expires
        ? {}
        : { expires_at: expires === "" ? null : await readTimeText(expires, "ahead") }),
    };
    if (Object.keys(edit).length === 0) return undefined;
    // The version that was shown is the one that is edited: a change by somebody else in between is told of, not lost.
    try {
      return await editLink(client, code, { ...edit, ...(reason === "" ? {} : { reason }) }, { version: link.version });
    } catch (error) {
      if (!(error instanceof DeadletterError) || error.code !== "precondition_failed") throw error;
      link = await showLink(client, code);
      const newest = link.events?.at(-1);
      const lines = newest === undefined ? "" : changeLines(changesOf(newest)).join("; ");
      throw conflict(
        `${newest?.actor_name ?? "somebody"} has changed it meanwhile: ${Bun.stripANSI(lines)}`,
        "what you typed is below; Enter through it to change what it is now",
      );
    }
  });
  return changed === undefined ? "nothing was changed" : `${code} is now at version ${changed.version}`;
}

export async function handOverForm(client: Client, link: ListedLink): Promise<string> {
  const users = (await collect(listUsers(client, LIMITS.pageSizeMax))).filter(
    ({ is_active, id }) => is_active && id !== link.user_id,
  );
  if (users.length === 0) return "there is nobody else to give it to";
  begin(`Hand over ${link.short_code}`);
  const id = await askChoice(
    "To whom?",
    users.map((user) => ({ value: String(user.id), label: user.username, hint: user.email ?? "" })),
  );
  const reason = await askReason();
  await editLink(client, link.short_code, { user_id: Number(id), ...(reason === undefined ? {} : { reason }) });
  return `${link.short_code} is ${users.find((user) => String(user.id) === id)?.username}'s now`;
}

function askTarget(initial: string | undefined): Promise<string> {
  return askText({
    message: "Target",
    placeholder: "https://example.com/page",
    initial,
    isNeeded: true,
    // Which hosts are the server's own it says itself.
    check: (target) => checkOriginalUrl(completeTarget(target), new Set()),
  });
}

async function askRest(typed: Partial<LinkForm>): Promise<Pick<LinkForm, "title" | "tags" | "expires">> {
  return {
    title: await askText({ message: "Title", placeholder: "optional", initial: typed.title, check: checkTitle }),
    tags: await askText({
      message: "Tags",
      placeholder: "optional, with commas between them",
      initial: typed.tags,
      check: (text) => checkTags(splitTags(text)),
    }),
    expires: await askText({
      message: "Expires",
      placeholder: `never; or 7d, tomorrow 18:00, ${localTime(systemClock.now()).slice(0, 10)}`,
      initial: typed.expires,
      check: async (text) => sayHint(`that is ${localTime(Date.parse(await readTimeText(text, "ahead")))}`),
    }),
  };
}

async function refuseTaken(client: Client, code: string): Promise<void> {
  checkCode(code);
  const { target } = await explainCode(client, code);
  if (target !== null) throw conflict(`${code} is taken: a code is never used again, not even a deleted link's`);
}

function splitTags(text: string): string[] {
  return text
    .split(",")
    .map((tag) => tag.trim())
    .filter((tag) => tag !== "");
}
