// What a listener's routes say together: who may use which, and the description that clients read. Empty until they are all there.

import { type AccessTable, createAccessTable } from "./access.ts";
import { DOCS_HEADERS, docsPage } from "./docs.ts";
import { describeApi, type OpenApi } from "./openapi.ts";
import type { DeclaredRoute } from "./route.ts";

export class RouteTable {
  readonly #version: string;
  #routes: readonly DeclaredRoute[] = [];
  #openapi: OpenApi | undefined;
  #docs: string | undefined;
  /** Undefined until fill(). */
  access: AccessTable | undefined;

  constructor(version: string) {
    this.#version = version;
  }

  /** Throws where a route does not say who may use it. */
  fill(routes: readonly DeclaredRoute[]): void {
    this.#routes = routes;
    this.access = createAccessTable(routes);
  }

  /** Made when it is first asked for: most processes never are. */
  openapi(): OpenApi {
    this.#openapi ??= describeApi(this.#routes, this.#version);
    return this.#openapi;
  }

  docs(): Response {
    this.#docs ??= docsPage(this.openapi());
    return new Response(this.#docs, { headers: DOCS_HEADERS });
  }
}
