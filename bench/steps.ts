// The parts of a redirect, in the order in which step-server.ts puts one on another.

export const STEPS = ["a Map", "a number for the request", "our cache", "clicks", "a log line"] as const;
