// An Alertmanager configuration to begin with: who is woken up, who finds it in the morning, and what says nothing beside what.

export interface AlertmanagerOptions {
  /** Where alerts are posted; Alertmanager 0.26 and later can read an address that is a secret from a file instead. */
  readonly pageUrl: string;
  readonly ticketUrl: string;
}

export function alertmanagerOf({ pageUrl, ticketUrl }: AlertmanagerOptions): object {
  return {
    route: {
      receiver: "ticket",
      group_by: ["alertname", "job"],
      group_wait: "10s",
      group_interval: "1m",
      repeat_interval: "4h",
      routes: [{ matchers: ['severity="page"'], receiver: "page" }],
    },
    receivers: [
      { name: "page", webhook_configs: [{ url: pageUrl, send_resolved: true }] },
      { name: "ticket", webhook_configs: [{ url: ticketUrl, send_resolved: true }] },
    ],
    inhibit_rules: [
      {
        // Whoever knows that the database is down need not be told what follows from it.
        equal: ["job"],
        source_matchers: ['alertname=~"DeadletterOutage|DeadletterDatabaseDown"'],
        target_matchers: [
          'alertname=~"DeadletterApiAvailability|DeadletterLogFreshness|DeadletterLogPending|DeadletterLogUnknown|DeadletterDatabaseSaturated|DeadletterClickSpool"',
        ],
      },
      {
        source_matchers: ['severity="page"'],
        target_matchers: ['severity="ticket"'],
        equal: ["job", "alertname", "slo"],
      },
    ],
  };
}
