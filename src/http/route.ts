// What a route says of itself: who may use it, what it answers, how it fails. Guards (access.ts) and the API's description
// (openapi.ts) read it; nothing is checked against it when an answer is sent.

import { type TSchema, Type } from "@sinclair/typebox";
import type { ErrorCode } from "../errors.ts";
import type { Role } from "../model/role.ts";

export type Needs = Role | "public";

/** Response headers that a client may rely on; openapi.ts says what each means. */
export type AnswerHeader = "ETag" | "Link" | "Location" | "Cache-Control";

export interface Reply {
  readonly description: string;
  /** Of a JSON body; with `mediaType`, of another one. Undefined where the body is empty. */
  readonly schema?: TSchema;
  readonly mediaType?: string;
  /** Another media type that a text may have in its place. */
  readonly alsoAs?: string;
  readonly headers?: readonly AnswerHeader[];
}

export type Replies = Readonly<Record<number, Reply>>;

export interface RouteFacts {
  readonly summary: string;
  readonly needs: Needs;
  readonly replies: Replies;
  /** Of a body that its handler reads as it comes: the media types it may have, and a row of it. */
  readonly streams?: { readonly mediaTypes: readonly string[]; readonly row: TSchema };
  /** Beside those that follow from the route's path, method and `needs` (openapi.ts). */
  readonly errors: readonly ErrorCode[];
}

/** They travel in the route's `detail`, which Elysia passes on as it is. */
export function needs(role: Needs, summary: string, replies: Replies, ...errors: ErrorCode[]): { detail: RouteFacts } {
  return { detail: { summary, needs: role, replies, errors } };
}

/** The same of a route whose body is read as it comes. */
export function streaming(
  streams: NonNullable<RouteFacts["streams"]>,
  { detail }: { detail: RouteFacts },
): { detail: RouteFacts } {
  return { detail: { ...detail, streams } };
}

/** What a route declares; throws if it declares nothing, since its role would be unknown. */
export function factsOf({ method, path, hooks }: DeclaredRoute): RouteFacts {
  const facts = hooks?.detail as RouteFacts | undefined;
  if (facts?.needs === undefined) throw new Error(`route ${method} ${path} does not say who may use it`);
  return facts;
}

/** A route as Elysia lists it. */
export interface DeclaredRoute {
  readonly method: string;
  readonly path: string;
  readonly hooks?: { readonly detail?: unknown; readonly body?: unknown; readonly query?: unknown };
}

export function ok(schema: TSchema, ...headers: AnswerHeader[]): Replies {
  return { 200: { description: "OK", schema, headers } };
}

/** The same members, with the status that a load balancer goes by. */
export function okOr503(schema: TSchema): Replies {
  return { ...ok(schema), 503: { description: "Not now", schema } };
}

export function created(schema: TSchema, ...headers: AnswerHeader[]): Replies {
  return { 201: { description: "Created", schema, headers } };
}

/** The same where it is asked for as another media type. */
export function orAs(replies: Replies, alsoAs: string): Replies {
  return Object.fromEntries(Object.entries(replies).map(([status, reply]) => [status, { ...reply, alsoAs }]));
}

export function list(schema: TSchema): Replies {
  return ok(Type.Array(schema));
}

/** A list whose `Link` header leads to the rest. */
export function page(schema: TSchema): Replies {
  return ok(Type.Array(schema), "Link");
}

export function text(mediaType: string, description: string): Replies {
  return { 200: { description, schema: Type.String(), mediaType } };
}

export function binary(description: string, mediaType = "application/octet-stream"): Replies {
  return { 200: { description, schema: Type.Unknown(), mediaType } };
}

/** 200 where what was asked for is there already. */
export function createdOrFound(schema: TSchema, ...headers: AnswerHeader[]): Replies {
  return { ...created(schema, ...headers), ...ok(schema, ...headers) };
}

const FOLLOWED: Reply = { description: "To the link's target", headers: ["Location", "Cache-Control"] };

export const REDIRECT: Replies = {
  200: {
    description: "`/{code}+`, where a link leads, as a page",
    schema: Type.String(),
    mediaType: "text/html; charset=utf-8",
  },
  301: FOLLOWED,
  302: FOLLOWED,
  307: FOLLOWED,
  308: FOLLOWED,
};

export const PAGE_OR_HOME: Replies = {
  ...text("text/html; charset=utf-8", "a page"),
  302: { description: "To the page that was set for it", headers: ["Location"] },
};
