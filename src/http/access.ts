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

type Facts = Omit<Match, "template">;

export interface AccessTable {
  /** The route for a request, or undefined where nothing is at this path. Throws method_not_allowed with `Allow`. */
  match(method: string, path: string): Match | undefined;
}

export function createAccessTable(routes: readonly DeclaredRoute[]): AccessTable {
  const entries = new Map<string, Map<string, Facts>>();
  for (const route of routes) {
    const { method, path } = route;
    const { needs, streams } = factsOf(route);
    const methods = entries.get(path) ?? new Map<string, Facts>();
    entries.set(path, methods.set(method, { needs, isStreamed: streams !== undefined }));
  }
  const methodsOf = (template: string) => entries.get(template) ?? new Map<string, Facts>();
  // Fixed segments before parameters, so that /urls is never taken for a short code.
  const templates = [...entries.keys()].sort((a, b) => parametersIn(a) - parametersIn(b));
  // A path without parameters is found at once.
  const fixed = new Map(templates.filter((template) => parametersIn(template) === 0).map((path) => [path, path]));
  const patterns = templates
    .filter((template) => parametersIn(template) > 0)
    .map((template) => ({ template, pattern: patternOf(template) }));

  return {
    match(method, path) {
      const exact = fixed.get(path);
      // A link may be called bulk: only POST means the other one.
      const isExact = exact !== undefined && (methodsOf(exact).has(method) || !path.endsWith("/bulk"));
      const template = isExact ? exact : patterns.find(({ pattern }) => pattern.test(path))?.template;
      if (template === undefined) return undefined;
      const methods = methodsOf(template);
      const facts = methods.get(method) ?? (method === "HEAD" ? methods.get("GET") : undefined);
      if (facts === undefined) throw methodNotAllowed(method, template, [...methods.keys()]);
      return { template, ...facts };
    },
  };
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
      .replace("*", ".+")}$`,
  );
}
