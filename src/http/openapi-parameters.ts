// What parameters of paths and headers mean, for the API's description.

import { LIMITS } from "../limits.ts";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [member: string]: Json };

export const PATH_PARAMETERS: Readonly<Record<string, Json>> = {
  link: { description: "the link's code, or its id", schema: { type: "string" } },
  code: { description: "the link's code", schema: { type: "string" } },
  user: { description: "the user's id", schema: { type: "integer", minimum: 1 } },
  key: { description: "the key's id", schema: { type: "integer", minimum: 1 } },
  id: {
    description: "the event's id, or its subject and version as in `url:42@3`, which log lines have",
    schema: { type: "string", examples: ["42", "url:42@3"] },
  },
  incident: { description: "the incident's id", schema: { type: "integer", minimum: 1 } },
  epoch: { description: "1 for the log's first rollback", schema: { type: "integer", minimum: 1 } },
  path: {
    description: "LEVEL/INDEX[.p/WIDTH] or entries/INDEX[.p/WIDTH], slashes and all (C2SP tlog-tiles)",
    schema: { type: "string", examples: ["0/000"] },
  },
};

export const PREFER: Json = {
  name: "Prefer",
  in: "header",
  description: `wait=N (RFC 7240): answers once every process that serves has heard of the change, or after N seconds, at most ${LIMITS.feedWaitS}`,
  schema: { type: "string", examples: ["wait=5"] },
};

export const IDEMPOTENCY_KEY: Json = {
  name: "Idempotency-Key",
  in: "header",
  description:
    "a text of the client's own for this one request (draft-ietf-httpapi-idempotency-key-header): sent again within a day " +
    "with the same body, the request is not carried out again and has the same outcome; with another body 422; 409 while the first is under way",
  schema: { type: "string", maxLength: LIMITS.idempotencyChars, examples: ['"8e03978e-40d5-43e8-bc93-6894a57f9324"'] },
};

export const IF_MATCH: Json = {
  name: "If-Match",
  in: "header",
  description:
    "the version the change is meant for, as ETag had it: 412 where the link has another (RFC 9110 section 13.1.1)",
  schema: { type: "string", examples: ['"3"'] },
};
