// Flags of a link that is made or changed, and what they say in the API's own words.

import { badRequest } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { FORWARDS, type Forward, QUERY_WINNERS, type QueryWinner } from "../model/forward.ts";
import { LINK_STATUSES, type LinkStatus } from "../model/link.ts";
import type { LinkOptions } from "../model/link-options.ts";
import { editDistance } from "../runtime/edit-distance.ts";
import { type Flag, given, type Input } from "./command.ts";
import { readTime } from "./read-time.ts";

export const OPTION_FLAGS: readonly Flag[] = [
  {
    name: "tag",
    value: "TAG",
    help: "all its tags: one, or several between commas; may be repeated; '' for none",
    formerly: "tags",
    isRepeatable: true,
  },
  { name: "starts", value: "TIME", help: "until then the link answers 404; or now" },
  {
    name: "status",
    value: "CODE",
    help: `${LINK_STATUSES.join(", ")}; browsers keep 301 and 308 for good`,
    choices: LINK_STATUSES.map(String),
  },
  {
    name: "max-age",
    value: "SECONDS",
    help: `how long a browser may follow it without asking again, 1 to ${LIMITS.maxAgeS}, or none`,
  },
  {
    name: "forward",
    value: "WHAT",
    help: `of the visitor's address: ${FORWARDS.join(", ")} (places such as {1} in the target)`,
    choices: FORWARDS,
  },
  {
    name: "query-wins",
    value: "WHOSE",
    help: `where both have a value: ${QUERY_WINNERS.join(" or ")}`,
    choices: QUERY_WINNERS,
  },
];

/** What was given of them. Throws bad_request for a word or a number that none of them takes. */
export async function readOptions(input: Input): Promise<LinkOptions> {
  const starts = input.value("starts") === "now" ? null : await readTime(input, "starts", "ahead");
  const maxAge = input.value("max-age");
  // An empty one alone takes all tags away.
  const tags = input.values("tag").flatMap((text) => text.split(","));
  return {
    ...(tags.length === 0 ? {} : { tags: tags.filter((tag) => tag !== "") }),
    ...given("starts_at", starts),
    ...given("status", readStatus(input.value("status"))),
    ...given("max_age", maxAge === "none" ? null : readMaxAge(maxAge)),
    ...given("forward", readWord<Forward>("forward", FORWARDS, input.value("forward"))),
    ...given("query_wins", readWord<QueryWinner>("query-wins", QUERY_WINNERS, input.value("query-wins"))),
  };
}

function readMaxAge(text: string | undefined): number | undefined {
  const seconds = /^\d{1,9}$/.test(text ?? "") ? Number(text) : Number.NaN;
  if (text === undefined) return undefined;
  if (!(seconds >= 1 && seconds <= LIMITS.maxAgeS))
    throw badRequest(`--max-age: must be a number of seconds from 1 to ${LIMITS.maxAgeS}, or none`);
  return seconds;
}

function readStatus(text: string | undefined): LinkStatus | undefined {
  const status = LINK_STATUSES.find((each) => String(each) === text);
  if (text !== undefined && status === undefined)
    throw badRequest(`--status: must be one of ${LINK_STATUSES.join(", ")}`);
  return status;
}

function readWord<Word extends string>(
  flag: string,
  words: readonly Word[],
  text: string | undefined,
): Word | undefined {
  const word = words.find((each) => each === text);
  if (text === undefined || word !== undefined) return word;
  const near = words.find((each) => editDistance(each, text) <= 2);
  throw badRequest(
    `--${flag}: must be one of ${words.join(", ")}`,
    near === undefined ? undefined : `did you mean ${near}?`,
  );
}
