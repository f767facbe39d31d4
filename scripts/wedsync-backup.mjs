#!/usr/bin/env node
// The command: sees to the dependencies, then runs src/cli/main.ts on Node 24.
import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ensureDependencies, node } from "./ensure-dependencies.mjs";
import { nodeEnvironment, nodeFlags } from "./start-node.mjs";

ensureDependencies();
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const child = spawn(node, [...nodeFlags, join(root, "src/cli/main.ts"), ...process.argv.slice(2)], {
  stdio: "inherit",
  env: nodeEnvironment(process.env),
});
// A terminal sends Ctrl-C to both processes; this one waits for the other's clean end. A signal sent to this one alone is
// handed on.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => child.kill("SIGTERM"));
process.on("SIGHUP", () => child.kill("SIGTERM"));
child.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 1)));
