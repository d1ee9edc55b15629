// A response of texts that are made as the client reads them: a client that does not read is not written for.

/** `end` is called once: when all is read, when the client goes away, and where `texts` throws, which breaks the response off. */
export function streamOf(
  first: IteratorResult<string>,
  texts: AsyncGenerator<string>,
  end: () => void,
): ReadableStream {
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
