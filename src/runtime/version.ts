// The version: set by the build, or read from package.json when run from source.

import packageJson from "../../package.json" with { type: "json" };

export const VERSION: string = typeof DEADLETTER_VERSION === "string" ? DEADLETTER_VERSION : packageJson.version;
