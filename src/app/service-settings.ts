// What the HTTP layer is told of the configuration, in its own words.

import type { Config } from "../config/settings.ts";
import { networkOf, trustProxies } from "../http/client.ts";
import { createRateLimits, type RateLimits } from "../http/rate-limit.ts";
import type { Clients, PageSettings } from "../http/service.ts";
import type { Clock } from "../runtime/clock.ts";

export function limitsOf(config: Config, clock: Clock): RateLimits {
  const perMinute = {
    "bad-keys": config.limitBadKeys,
    proofs: config.limitProofs,
    changes: config.limitChanges,
    redirects: config.limitRedirects,
  };
  return createRateLimits(perMinute, clock);
}

export function clientsOf(config: Config): Clients {
  return {
    trusted: trustProxies(config.trustedProxies),
    inLog: { none: undefined, full: (client: string) => client, network: networkOf }[config.logClient],
    isAudited: config.auditClient,
  };
}

export function pagesOf({ pages, preview, homeUrl, pageName, pageColor }: Config): PageSettings {
  return { isOn: pages, isPreviewOn: preview, homeUrl, name: pageName, color: pageColor };
}
