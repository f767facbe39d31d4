// Installs what package-lock.json asks for, when it is not there. Runs on whatever Node the machine has (20 or later);
// everything after it runs on Node 24, which comes from npm as well.
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stamp = join(root, "node_modules", ".wedsync-installed");
export const node = join(root, "node_modules", ".bin", process.platform === "win32" ? "node.cmd" : "node");

export function ensureDependencies() {
  const wanted = createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted && existsSync(node)) return;
  process.stderr.write("installing dependencies (once) …\n");
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  // Not `npm ci`: it refuses a lock file that lacks optional packages of other platforms, and npm leaves those out when it
  // writes the lock where a registry does not carry them. Versions are exact and locked all the same.
  const result = spawnSync(npm, ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", 2, 2],
  });
  if (result.status !== 0) {
    process.stderr.write("npm could not install the dependencies; see its message above.\n");
    process.exit(1);
  }
  const version = execFileSync(node, ["--version"], { encoding: "utf8" }).trim();
  if (!version.startsWith("v24.")) {
    process.stderr.write(
      `the npm package "node" did not bring Node 24, but ${version}; allow its install script (npm install-scripts ls).\n`,
    );
    process.exit(1);
  }
  writeFileSync(stamp, wanted);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) ensureDependencies();
