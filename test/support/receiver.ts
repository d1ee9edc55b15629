// A receiver of webhooks: keeps what it is sent, and answers as it is told to.

export interface Received {
  readonly path: string;
  readonly headers: Headers;
  readonly text: string;
}

export interface Receiver {
  readonly url: string;
  readonly received: readonly Received[];
  /** Of the generic format. */
  messages(): readonly Record<string, string>[];
  /** What the next requests are answered, in turn; 204 once there is nothing more. */
  answerWith(...answers: (number | Response)[]): void;
  close(): Promise<void>;
}

export function startReceiver(): Receiver {
  const received: Received[] = [];
  let answers: (number | Response)[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const text = await request.text();
      received.push({ path: new URL(request.url).pathname, headers: request.headers, text });
      const answer = answers.shift() ?? 204;
      return typeof answer === "number" ? new Response(null, { status: answer }) : answer;
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}/hook`,
    received,
    messages: () => received.map(({ text }) => JSON.parse(text) as Record<string, string>),
    answerWith(...next) {
      answers = next;
    },
    close: () => server.stop(true),
  };
}
