// The API's description, made of what the routes declare: OpenAPI 3.1, whose schemas are JSON Schema as TypeBox writes them.

import { type TSchema, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { ERROR_TABLE, type ErrorCode } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { ErrorAnswer } from "./error.ts";
import { IDEMPOTENCY_KEY, IF_MATCH, type Json, PATH_PARAMETERS, PREFER } from "./openapi-parameters.ts";
import { type AnswerHeader, type DeclaredRoute, factsOf, type Reply, type RouteFacts } from "./route.ts";

/** https://spec.openapis.org/oas/v3.1.1.html, as far as it is used here. */
export interface OpenApi {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly description: string; readonly version: string };
  readonly tags: readonly { readonly name: string; readonly description: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: Readonly<Record<string, Readonly<Record<string, Json>>>>;
}

export interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly tags: readonly string[];
  /** The least role whose key may ask, or `public`. */
  readonly "x-needs": string;
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
  readonly parameters: readonly Json[];
  readonly requestBody?: Json;
  readonly responses: Readonly<Record<string, Json>>;
}

type Schemas = Record<string, Json>;

export function describeApi(routes: readonly DeclaredRoute[], version: string): OpenApi {
  const schemas: Schemas = {};
  const paths: Record<string, Record<string, Operation>> = {};
  for (const route of routes) {
    const path = route.path.replace(/:(\w+)/g, "{$1}").replace("*", "{path}");
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(route, schemas) };
  }
  const error = publish(ErrorAnswer, schemas);
  return {
    openapi: "3.1.1",
    info: { title: "deadletter", description: DESCRIPTION, version },
    tags: TAGS.map(({ name, description }) => ({ name, description })),
    paths,
    components: {
      schemas,
      responses: Object.fromEntries(ERROR_CODES.map((code) => [code, errorReply(code, error)])),
      headers: HEADERS,
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer", description: "an API key: Authorization: Bearer dl_..." },
        apiKey: {
          type: "apiKey",
          in: "header",
          name: "X-Api-Key",
          description: "the same key, for clients that send it so",
        },
      },
    },
  };
}

const DESCRIPTION = `A URL shortener whose every change is written, in the same transaction, to a signed, append-only audit log.

Bodies are JSON in UTF-8, at most ${LIMITS.bodyBytes} bytes. A failing answer is \`{"error": CODE, "detail": TEXT}\`.
Times are UTC, RFC 3339 with milliseconds. A list's \`Link\` header leads to its next page (RFC 8288).`;

const TAGS = [
  {
    name: "links",
    prefix: /^\/(?:urls(?!\/:link\/redirect)|api\/tags)/,
    description: "Create, read, change, delete and restore links, and their tags",
  },
  { name: "users", prefix: /^\/(?:users|whoami)/, description: "Who owns links and holds keys" },
  { name: "audit log", prefix: /^\/(?:events|log)\b/, description: "What happened, and the proof of it" },
  {
    name: "operations",
    prefix: /^\/(?:metrics|stats|livez|readyz|health|robots|openapi|docs)/,
    description: "For operators and machines",
  },
  { name: "redirects", prefix: /^/, description: "What the public follows" },
] as const;

function operationOf(route: DeclaredRoute, schemas: Schemas): Operation {
  const facts = factsOf(route);
  const body = route.hooks?.body as TSchema | undefined;
  return {
    operationId: operationIdOf(route),
    summary: facts.summary,
    tags: [TAGS.find(({ prefix }) => prefix.test(route.path))?.name ?? "redirects"],
    "x-needs": facts.needs,
    security: facts.needs === "public" ? [] : [{ bearer: [] }, { apiKey: [] }],
    parameters: parametersOf(route, facts, schemas),
    ...(body ? { requestBody: bodyOf(body, schemas) } : {}),
    ...(facts.streams ? { requestBody: streamOf(facts.streams, schemas) } : {}),
    responses: responsesOf(route, facts, schemas),
  };
}

/** `post /urls/:link/restore` is `postUrlsByLinkRestore`. */
function operationIdOf({ method, path }: DeclaredRoute): string {
  const words = path.split(/[/._-]/).map((part) => {
    const word = part === "*" ? "path" : part.replace(":", "");
    return `${/^[:*]/.test(part) ? "By" : ""}${word.charAt(0).toUpperCase()}${word.slice(1)}`;
  });
  return method.toLowerCase() + words.join("");
}

function parametersOf({ path, hooks }: DeclaredRoute, { errors, replies }: RouteFacts, schemas: Schemas): Json[] {
  const names = [...path.matchAll(/:(\w+)|\*/g)].map(([, name = "path"]) => name);
  const inPath = names.map((name) => ({ name, in: "path", required: true, ...(PATH_PARAMETERS[name] as object) }));
  const query = hooks?.query as { readonly properties: Readonly<Record<string, TSchema>> } | undefined;
  const inQuery = Object.entries(query?.properties ?? {}).map(([name, { spells }]) => {
    const { description, ...schema } = publish(spells as TSchema, schemas) as { readonly description?: string };
    return { name, in: "query", ...(description === undefined ? {} : { description }), schema };
  });
  return [
    ...inPath,
    ...inQuery,
    ...(errors.includes("precondition_failed") ? [IF_MATCH] : []),
    ...(errors.includes("idempotency_mismatch") ? [IDEMPOTENCY_KEY] : []),
    ...(saysWhoHeard(replies) ? [PREFER] : []),
  ] as Json[];
}

function saysWhoHeard(replies: RouteFacts["replies"]): boolean {
  return Object.values(replies).some(({ schema }) => "heard" in ((schema?.properties ?? {}) as object));
}

/** An empty body reads as `{}`. */
function bodyOf(body: TSchema, schemas: Schemas): Json {
  return { required: !Value.Check(body, {}), content: { "application/json": { schema: publish(body, schemas) } } };
}

/** A body of rows; what is described of one is that of each. */
function streamOf({ mediaTypes, row }: NonNullable<RouteFacts["streams"]>, schemas: Schemas): Json {
  const schemaOf = (mediaType: string) =>
    mediaType === "application/json" ? Type.Array(row) : mediaType === "text/csv" ? Type.String() : row;
  const content = mediaTypes.map((mediaType) => [mediaType, { schema: publish(schemaOf(mediaType), schemas) }]);
  return { required: true, content: Object.fromEntries(content) };
}

function responsesOf(route: DeclaredRoute, facts: RouteFacts, schemas: Schemas): Record<string, Json> {
  const failing = errorsOf(route, facts).map((code) => [
    String(ERROR_TABLE[code].status),
    { $ref: `#/components/responses/${code}` } as Json,
  ]);
  const answering = Object.entries(facts.replies).map(([status, reply]) => [status, replyOf(reply, schemas)]);
  return Object.fromEntries([...failing, ...answering]) as Record<string, Json>;
}

/** What follows from the path, the method and who may use the route, and what the route adds. */
function errorsOf({ method, path }: DeclaredRoute, { needs, errors }: RouteFacts): ErrorCode[] {
  return [
    "bad_request",
    ...(needs === "public" ? [] : (["unauthorized", "forbidden", "too_many_requests"] as const)),
    ...(/[:*]/.test(path) ? (["not_found"] as const) : []),
    ...(method === "GET" ? [] : (["payload_too_large", "unsupported_media_type"] as const)),
    ...errors,
    "internal_error",
    "unavailable",
  ];
}

function replyOf(reply: Reply, schemas: Schemas): Json {
  const { description, schema, mediaType = "application/json", alsoAs, headers = [] } = reply;
  const other = alsoAs === undefined ? {} : { [alsoAs]: { schema: { type: "string" } } };
  return {
    description,
    headers: headersNamed(["X-Request-Id", ...headers]),
    ...(schema ? { content: { [mediaType]: { schema: publish(schema, schemas) }, ...other } } : {}),
  };
}

const ERROR_CODES = (Object.keys(ERROR_TABLE) as ErrorCode[]).filter((code) => code !== "verification_failed");

/** Headers that go with an error; the others have none beside their number. */
const ERROR_HEADERS: Readonly<Partial<Record<ErrorCode, readonly string[]>>> = {
  unauthorized: ["WWW-Authenticate"],
  method_not_allowed: ["Allow"],
  too_many_requests: ["Retry-After"],
  unavailable: ["Retry-After"],
};

const MEANING: Readonly<Record<string, string>> = {
  bad_request: "The request is not valid; `detail` names the member and the rule",
  unauthorized: "No key, or one that is not valid",
  forbidden: "The key's role is too small",
  not_found: "There is no such thing",
  method_not_allowed: "The path does not take this method",
  conflict: "What is there does not allow it",
  precondition_failed: "If-Match names another version than there is",
  idempotency_mismatch: "The Idempotency-Key was used for another request",
  payload_too_large: `The body is larger than ${LIMITS.bodyBytes} bytes`,
  unsupported_media_type: "The body is not JSON in UTF-8",
  too_many_requests: "Asked more often than the server allows",
  internal_error: "An unexpected error; the server's log has it under the request's id",
  unavailable: "The database does not answer, or the server is not ready",
};

function errorReply(code: ErrorCode, error: Json): Json {
  const example = { error: code, detail: EXAMPLES[code] ?? MEANING[code] ?? code };
  return {
    description: MEANING[code] ?? code,
    headers: headersNamed(["X-Request-Id", ...(ERROR_HEADERS[code] ?? [])]),
    content: { "application/json": { schema: error, example } },
  };
}

const EXAMPLES: Readonly<Partial<Record<ErrorCode, string>>> = {
  bad_request: "original_url: scheme must be http or https",
  not_found: 'no link "sale"',
  conflict: 'short_code: "sale" is taken',
  precondition_failed: "If-Match does not match: the current version is 4 (read the link again and repeat the change)",
  idempotency_mismatch: "Idempotency-Key: it was used for another request (use a key of its own for each request)",
};

const HEADERS: Readonly<Record<AnswerHeader | string, Json>> = {
  "X-Request-Id": {
    description: "the client's, if it sent a usable one; else a fresh one",
    schema: { type: "string" },
  },
  ETag: { description: "the link's version, for If-Match", schema: { type: "string", examples: ['"3"'] } },
  Link: { description: "RFC 8288: where the next page is; absent on the last", schema: { type: "string" } },
  Location: { description: "where what was created is, or the link's target", schema: { type: "string" } },
  "Cache-Control": { description: "who may keep this answer", schema: { type: "string" } },
  "WWW-Authenticate": { description: "RFC 6750", schema: { type: "string" } },
  Allow: { description: "the methods that the path takes", schema: { type: "string" } },
  "Retry-After": { description: "seconds", schema: { type: "integer" } },
};

function headersNamed(names: readonly string[]): Json {
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}

/** A schema as JSON; one with a name stands in the components, once. */
function publish(schema: unknown, schemas: Schemas): Json {
  if (Array.isArray(schema)) return schema.map((each) => publish(each, schemas));
  if (typeof schema !== "object" || schema === null) return schema as Json;
  const { $id, ...rest } = schema as { readonly $id?: string };
  if ($id === undefined) return publishMembers(rest, schemas);
  if (!($id in schemas)) {
    schemas[$id] = {};
    schemas[$id] = publishMembers(rest, schemas);
  }
  return { $ref: `#/components/schemas/${$id}` };
}

function publishMembers(schema: object, schemas: Schemas): Json {
  const published = Object.fromEntries(
    Object.entries(schema).map(([name, member]) => [name, publish(member, schemas)]),
  ) as { readonly [member: string]: Json };
  const { anyOf, ...rest } = published;
  // TypeBox writes a list of words as a union of constants, which generated clients read less well.
  const words = Array.isArray(anyOf) ? (anyOf as readonly { readonly const?: Json }[]).map((each) => each.const) : [];
  return words.length > 0 && words.every((word) => typeof word === "string")
    ? { ...rest, type: "string", enum: words as string[] }
    : published;
}
