// Binds what the configuration names: the public listener, the API's and the metrics' own where they have one.

import { formatListen, urlHost } from "../config/parse.ts";
import type { Address, Config } from "../config/settings.ts";
import type { Api } from "../http/app.ts";
import { ConnectionGuard } from "../http/connection-guard.ts";
import { createPublic, createWatch } from "../http/public-routes.ts";
import { listen as bind, type Listener } from "../http/server.ts";
import type { Service } from "../http/service.ts";
import { ownHostsOf } from "../model/target.ts";
import { sleep } from "../runtime/clock.ts";

export interface Listeners {
  /** Where redirects are reached, as printed to people. */
  readonly baseUrl: string;
  readonly apiUrl: string;
  /** Where they got to listen, and host:port of those that are the API's own and the metrics' own. */
  readonly port: number;
  readonly adminListen: string | undefined;
  readonly metricsListen: string | undefined;
  /** Stops accepting, lets open requests finish for `drainMs`, then cuts them. */
  stop(drainMs: number): Promise<void>;
}

/** Where redirects are answered, as far as that is known before listening. */
export function listenersOf({
  host,
  port,
  adminListen,
}: Pick<Config, "host" | "port" | "adminListen">): readonly Address[] {
  return [{ host, port }, ...(adminListen ? [adminListen] : [])];
}

/** Where the public reaches redirects, as far as it is known before listening. */
export function baseUrlOf(config: Config): string {
  return config.baseUrl ?? `http://${urlHost(config.host)}:${config.port}`;
}

export interface ListenOptions {
  readonly service: Service;
  readonly api: Api;
  /** Whether other processes of this server listen on the same ports. */
  readonly isShared: boolean;
  /** Told which hosts turn out to be this server's own, once its ports are known. */
  readonly useOwnHosts: (hosts: ReadonlySet<string>) => void;
}

export function listen(config: Config, { service, api, isShared, useOwnHosts }: ListenOptions): Listeners {
  const { host, port, adminListen, metricsListen } = config;
  const { clock } = service.core;
  const main = bind(service, adminListen ? createPublic(service) : api, { host, port, isShared });
  const admin = adminListen && bind(service, api, { ...adminListen, isShared });
  const watch =
    metricsListen && bind(service, createWatch(service), { ...metricsListen, isShared, hasRedirects: false });
  const servers = [main, admin, watch].filter((server) => server !== undefined);
  const guard = new ConnectionGuard({
    clock,
    maxConnections: config.maxConnections,
    reserved: config.databaseUrl === undefined ? 0 : config.poolSize,
    // The private ones stay: whoever looks after this process must reach it while strangers fill the public one.
    listeners: [main],
    onAct: (act) => {
      service.metrics.guardActs.inc({ act });
      service.log.warn("file descriptors are running out", { act });
    },
  });
  guard.start();
  const boundTo = (wanted: Address | undefined, server: Listener | undefined) =>
    wanted && formatListen({ host: wanted.host, port: server?.port ?? wanted.port });
  const address = (host: string, port: number | undefined) => `http://${urlHost(host)}:${port}`;
  const baseUrl = config.baseUrl ?? address(config.host, main.port);
  // The API's own listener redirects as well.
  const listeners = listenersOf({
    host,
    port: main.port,
    adminListen: adminListen && { host: adminListen.host, port: admin?.port ?? adminListen.port },
  });
  useOwnHosts(ownHostsOf(baseUrl, listeners, config.ownHosts));
  service.log.info("listening", {
    host: config.host,
    port: main.port,
    ...(admin && adminListen ? { admin_host: adminListen.host, admin_port: admin.port } : {}),
    ...(watch && metricsListen ? { metrics_host: metricsListen.host, metrics_port: watch.port } : {}),
  });
  return {
    baseUrl,
    apiUrl: admin && adminListen ? address(adminListen.host, admin.port) : address(config.host, main.port),
    port: main.port,
    adminListen: boundTo(adminListen, admin),
    metricsListen: boundTo(metricsListen, watch),
    stop: async (drainMs) => {
      guard.close();
      const drained = Promise.all(servers.map((server) => server.stop()));
      await Promise.race([drained, sleep(clock, drainMs)]);
      await Promise.all(servers.map((server) => server.stop(true)));
    },
  };
}
