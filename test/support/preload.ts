// Runs before every test file of a run: the one PostgreSQL ends with the last of them.

import { afterAll } from "bun:test";
import { stopServer } from "./postgres.ts";

afterAll(stopServer);
