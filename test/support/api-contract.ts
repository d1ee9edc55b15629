// Holds answers against what /openapi.json says of them: status, headers, media type and body, and no member beside those it names.

import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import type { Deadletter } from "../../src/app/assemble.ts";
import type { OpenApi, Operation } from "../../src/http/openapi.ts";

export interface Answered {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

interface Reply {
  readonly headers?: Readonly<Record<string, unknown>>;
  readonly content?: Readonly<Record<string, { readonly schema: object }>>;
}

/** Headers that are not on every answer of their kind. */
const SOMETIMES = new Set(["Link", "ETag"]);

let known: ApiContract | undefined;

/** One for the whole run: every server of it has the same routes. */
export function contractOf({ api }: Deadletter): Promise<ApiContract> | ApiContract {
  if (known) return known;
  return api.handle(new Request("http://localhost/openapi.json")).then(async (response) => {
    known ??= new ApiContract((await response.json()) as OpenApi);
    return known;
  });
}

export class ApiContract {
  readonly #api: OpenApi;
  readonly #components: object;
  readonly #ajv: Ajv2020;
  readonly #validators = new Map<object, ValidateFunction>();
  readonly #templates: readonly { readonly path: string; readonly pattern: RegExp }[];

  constructor(api: OpenApi) {
    this.#api = api;
    this.#components = closed(api.components) as object;
    this.#ajv = new Ajv2020({ strict: false, allErrors: true });
    addFormats.default(this.#ajv);
    this.#templates = Object.entries(api.paths)
      .map(([path, methods]) => ({ path, pattern: patternOf(path, methods) }))
      // Links that take a path are asked last, where nothing else is.
      .sort((one, other) => ranks(one.path) - ranks(other.path));
  }

  /** Throws an error that says what of the answer is not as described. */
  check(answer: Answered): void {
    const problem = this.problemOf(answer);
    if (problem === undefined) return;
    throw new Error(
      `${answer.method} ${answer.path} answered ${answer.status}, ${problem}: ${answer.text.slice(0, 500)}`,
    );
  }

  /** What of the answer is not as described; undefined where all of it is. */
  problemOf({ method, path, status, headers, text }: Answered): string | undefined {
    const { pathname } = new URL(`http://localhost${path}`);
    const template = this.#templates.find(({ pattern }) => pattern.test(pathname))?.path;
    const operation = template === undefined ? undefined : this.#operation(template, method);
    // What is no route, or no method of one, answers with an error alone, of the one shape.
    const reply = operation && status !== 405 ? this.#resolve(operation.responses[status]) : this.#outsideOf(status);
    if (!reply) return `which ${template ?? "a path without a route"} does not describe`;
    for (const name of Object.keys(reply.headers ?? {}))
      if (!SOMETIMES.has(name) && !headers.has(name)) return `without ${name}`;
    if (method === "HEAD") return undefined;
    const sentAs = (headers.get("content-type") ?? "").split(";")[0];
    const contents = Object.entries(reply.content ?? {});
    const described = contents.find(([type]) => type.split(";")[0] === sentAs) ?? contents[0];
    if (!described) return text === "" ? undefined : "with a body";
    const [mediaType, { schema }] = described;
    const sent = headers.get("content-type") ?? "";
    if (sent.toLowerCase() !== mediaType && sent.split(";")[0] !== mediaType) return `as ${sent}, not ${mediaType}`;
    if (mediaType !== "application/json") return undefined;
    const validate = this.#validatorOf(schema);
    return validate(JSON.parse(text)) ? undefined : this.#ajv.errorsText(validate.errors);
  }

  #operation(template: string, method: string): Operation | undefined {
    const methods = this.#api.paths[template] ?? {};
    // A method that fetch() sends and Bun's server does not know arrives as a GET.
    const isGet = !["POST", "PUT", "PATCH", "DELETE", "OPTIONS"].includes(method);
    return methods[method.toLowerCase()] ?? (isGet ? methods.get : undefined);
  }

  #outsideOf(status: number): Reply | undefined {
    const codes: Record<number, string> = { 400: "bad_request", 404: "not_found", 405: "method_not_allowed" };
    return this.#resolve({ $ref: `#/components/responses/${codes[status]}` });
  }

  #resolve(reply: unknown): Reply | undefined {
    const { $ref } = (reply ?? {}) as { readonly $ref?: string };
    if ($ref === undefined) return reply as Reply | undefined;
    return this.#api.components.responses?.[$ref.slice($ref.lastIndexOf("/") + 1)] as Reply | undefined;
  }

  #validatorOf(schema: object): ValidateFunction {
    const found = this.#validators.get(schema);
    if (found) return found;
    const made = this.#ajv.compile({ ...(closed(schema) as object), components: this.#components });
    this.#validators.set(schema, made);
    return made;
  }
}

function ranks(path: string): number {
  return path.endsWith("{code}/{path}") ? Number.POSITIVE_INFINITY : path.split("{").length;
}

function patternOf(path: string, methods: Readonly<Record<string, Operation>>): RegExp {
  // Bun's own router, which knows redirects alone, takes several slashes for one.
  const slash = methods.get?.tags.includes("redirects") ? "/+" : "/";
  const parts = path
    .split("/")
    .map((part) =>
      part === "{path}"
        ? path.endsWith("{code}/{path}")
          ? ".*"
          : ".+"
        : /^\{/.test(part)
          ? "[^/]+"
          : RegExp.escape(part),
    );
  return new RegExp(`^${parts.join(slash)}$`);
}

/** A released client takes members it does not know; here each must be described. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== "object" || schema === null) return schema;
  const members = Object.fromEntries(
    Object.entries(schema).map(([name, member]) => [name, name.startsWith("example") ? member : closed(member)]),
  );
  return "properties" in members && members.type === "object" && !("additionalProperties" in members)
    ? { ...members, additionalProperties: false }
    : members;
}
