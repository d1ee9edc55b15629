// A link as the API answers it: its audited state, and where the public reaches it.

import { type Static, Type } from "@sinclair/typebox";
import { LIMITS } from "../limits.ts";
import { Link } from "../model/link.ts";
import { warningsOf } from "../model/link-options.ts";
import type { Service } from "./service.ts";

const { id, short_code, ...rest } = Link.properties;

export const ShownLink = Type.Object(
  { id, short_code, short_url: Type.String({ description: "what the public follows" }), ...rest },
  {
    $id: "Link",
    examples: Link.examples.map((example: Link) => ({
      ...example,
      short_url: `https://go.example/${example.short_code}`,
    })),
  },
);
export type ShownLink = Static<typeof ShownLink>;

/** The same as a change left it. */
export const ChangedLink = Type.Object(
  {
    ...ShownLink.properties,
    warnings: Type.Optional(
      Type.Array(Type.String(), {
        maxItems: LIMITS.warnings,
        description: "what browsers will keep, whatever changes",
      }),
    ),
  },
  { $id: "Link" },
);

/** Never by the request's Host, which anybody may write. */
export function showLink({ publicAddress }: Service, link: Link): ShownLink {
  const { id, short_code, ...rest } = link;
  return { id, short_code, short_url: `${publicAddress()}/${short_code}`, ...rest };
}

export function showChangedLink(service: Service, link: Link): Static<typeof ChangedLink> {
  const warnings = warningsOf(link);
  const shown = showLink(service, link);
  return warnings.length === 0 ? shown : { ...shown, warnings: [...warnings] };
}
