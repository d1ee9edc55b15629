// A file as text, a chunk at a time. What is not UTF-8 becomes U+FFFD, so that whoever reads on can say which row it is in.

import { createReadStream } from "node:fs";
import { badRequest, DeadletterError, messageOf } from "../errors.ts";

/** Throws bad_request where the file cannot be read. */
export async function* readTexts(path: string): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8");
  try {
    for await (const chunk of createReadStream(path)) yield decoder.decode(chunk as Uint8Array, { stream: true });
  } catch (error) {
    throw error instanceof DeadletterError ? error : badRequest(`cannot read ${path}: ${messageOf(error)}`);
  }
  yield decoder.decode();
}
