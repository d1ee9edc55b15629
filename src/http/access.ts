// Who may use which route: built from the route table itself, so that no route can be left out of it.

import { DeadletterError } from "../errors.ts";
import { type DeclaredRoute, factsOf, type Needs } from "./route.ts";

export interface Match {
  /** The route's template, such as `/urls/:link`. */
  readonly template: string;
  readonly needs: Needs;
  /** Whether its handler reads the body itself. */
  readonly isStreamed: boolean;
}

export interface AccessTable {
  /** The route for a request, or undefined where nothing is at this path. Throws method_not_allowed with `Allow`. */
  match(method: string, path: string): Match | undefined;
}

export function createAccessTable(routes: readonly DeclaredRoute[]): AccessTable {
  const entries = new Map<string, Map<string, Match>>();
  for (const route of routes) {
    const { method, path: template } = route;
    const { needs, streams } = factsOf(route);
    const methods = entries.get(template) ?? new Map<string, Match>();
    entries.set(template, methods.set(method, { template, needs, isStreamed: streams !== undefined }));
  }
  // Fixed segments before parameters, so that /urls is never taken for a short code.
  const patterned = [...entries]
    .sort(([a], [b]) => parametersIn(a) - parametersIn(b))
    .map(([template, methods]) => ({ template, methods, pattern: patternOf(template) }));
  const table = patterned.filter(({ template }) => !isLastResort(template));
  const lastResorts = patterned.filter(({ template }) => isLastResort(template));

  return {
    match(method, path) {
      const asked = method === "HEAD" ? "GET" : method;
      // A path without parameters is found at once.
      const exact = entries.get(path)?.get(asked);
      if (exact) return exact;
      // A link may be called as a route is: only who takes the method is meant.
      const found = table.find(({ methods, pattern }) => methods.has(asked) && pattern.test(path));
      if (found) return found.methods.get(asked);
      const others = table.filter(({ pattern }) => pattern.test(path));
      const [first] = others;
      if (!first) return lastResorts.find(({ pattern }) => pattern.test(path))?.methods.get(asked);
      const allowed = new Set(others.flatMap(({ methods }) => [...methods.keys()]));
      throw methodNotAllowed(method, first.template, [...allowed]);
    },
  };
}

/** Links that take a path: only where nothing else is at one, whatever the method. */
function isLastResort(template: string): boolean {
  return template.endsWith(":code/*");
}

/** RFC 9110 section 15.5.6: the answer lists what is allowed. */
function methodNotAllowed(method: string, template: string, methods: readonly string[]): DeadletterError {
  const allowed = methods.includes("GET") ? [...methods, "HEAD"] : [...methods];
  const isEvents = template === "/events" || template === "/events/:id";
  return new DeadletterError(
    "method_not_allowed",
    isEvents
      ? "events cannot be written: only changes to links, users and keys write the log"
      : `${method.slice(0, 20)} is not allowed here`,
    { headers: { allow: allowed.join(", ") } },
  );
}

function parametersIn(template: string): number {
  return template.split(/[:*]/).length - 1;
}

function patternOf(template: string): RegExp {
  return new RegExp(
    `^${template
      .replaceAll(".", "\\.")
      .replace(/:[a-z_]+/g, "[^/]+")
      .replace("*", isLastResort(template) ? ".*" : ".+")}$`,
  );
}
