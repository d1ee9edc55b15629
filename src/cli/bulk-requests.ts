// A bulk request: rows streamed out, answers streamed in.

import { unavailable } from "../errors.ts";
import { asOurs, type Client } from "./client.ts";

/** A line of the answer to a bulk request. */
export interface BulkAnswer {
  readonly line: number | null;
  readonly status: number;
  readonly repeated?: true;
  readonly error?: string;
  readonly detail?: string;
}

export interface BulkOptions {
  readonly mediaType: string;
  readonly isAtomic: boolean;
  readonly isDryRun: boolean;
  readonly key: string | undefined;
}

/** Throws what the request as a whole was refused with. */
export async function sendBulk(
  client: Client,
  path: "/urls/bulk" | "/users/bulk",
  body: ReadableStream<Uint8Array>,
  { mediaType, isAtomic, isDryRun, key }: BulkOptions,
): Promise<Response> {
  const headers = {
    "content-type": mediaType,
    ...(key === undefined ? {} : { "idempotency-key": JSON.stringify(key) }),
  };
  const response = await client.send(`${path}?atomic=${isAtomic}&dry_run=${isDryRun}`, body, headers);
  if (response.status === 200) return response;
  throw asOurs(await response.json().catch(() => `${response.status}`));
}

/** The lines of an answer as they come. Throws unavailable where it breaks off. */
export async function* readAnswers(response: Response): AsyncGenerator<readonly BulkAnswer[]> {
  const decoder = new TextDecoder();
  let begun = "";
  try {
    for await (const chunk of response.body ?? []) {
      const lines = (begun + decoder.decode(chunk, { stream: true })).split("\n");
      begun = lines.pop() ?? "";
      if (lines.length > 0) yield lines.map((line) => JSON.parse(line) as BulkAnswer);
    }
  } catch (error) {
    throw unavailable("the server's answer broke off", { cause: error });
  }
  if (begun !== "") throw unavailable("the server's answer broke off");
}
