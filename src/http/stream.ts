// Responses of texts that are made as the client reads them: a client that does not read is not written for.

import { DeadletterError } from "../errors.ts";
import { allowIdle } from "./exchange.ts";

/** So many at once, of one kind. */
export class TextStreams {
  readonly #most: number;
  readonly #what: string;
  #running = 0;

  /** `what` is what the others are called in a refusal. */
  constructor(most: number, what: string) {
    this.#most = most;
    this.#what = what;
  }

  /**
   * Begins with the first text: what is wrong with the request as a whole is thrown, as long as nothing was answered. The client may
   * do nothing for `idleS` seconds. Throws too_many_requests.
   */
  async respond(
    request: Request,
    texts: AsyncGenerator<string>,
    { idleS, contentType }: { readonly idleS: number; readonly contentType: string },
  ): Promise<Response> {
    if (this.#running >= this.#most)
      throw new DeadletterError("too_many_requests", `other ${this.#what} are under way`, {
        headers: { "retry-after": "5" },
      });
    this.#running += 1;
    let isOver = false;
    const end = () => {
      if (!isOver) this.#running -= 1;
      isOver = true;
    };
    try {
      allowIdle(request, idleS);
      // Whoever goes away before the answer has begun neither reads nor cancels it.
      request.signal.addEventListener("abort", end, { once: true });
      return new Response(streamOf(await texts.next(), texts, end), { headers: { "content-type": contentType } });
    } catch (error) {
      end();
      throw error;
    }
  }
}

/** `end` is called once: when all is read, when the client goes away, and where `texts` throws, which breaks the response off. */
function streamOf(first: IteratorResult<string>, texts: AsyncGenerator<string>, end: () => void): ReadableStream {
  const encoder = new TextEncoder();
  let next: IteratorResult<string> | undefined = first;
  return new ReadableStream(
    {
      async pull(controller) {
        try {
          const { done, value } = next ?? (await texts.next());
          next = undefined;
          if (!done) return controller.enqueue(encoder.encode(value));
          controller.close();
        } catch (error) {
          controller.error(error);
        }
        end();
      },
      async cancel() {
        end();
        await texts.return(undefined);
      },
    },
    { highWaterMark: 0 },
  );
}
