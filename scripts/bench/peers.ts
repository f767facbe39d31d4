// The peers that this machine has. Nothing is installed; who is missing is named.
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);
const versionOf: Readonly<Record<string, readonly string[]>> = {
  bash: ["--version"],
  psql: ["--version"],
  pg_dump: ["--version"],
  zstd: ["--version"],
  openssl: ["version"],
  restic: ["version"],
  borg: ["--version"],
  rclone: ["version"],
};

export type Peer = "bash" | "psql" | "pg_dump" | "zstd" | "openssl" | "restic" | "borg" | "rclone";

export class Peers {
  readonly versions: ReadonlyMap<string, string>;

  constructor(versions: ReadonlyMap<string, string>) {
    this.versions = versions;
  }

  has(...names: readonly Peer[]): boolean {
    return names.every((name) => this.versions.has(name));
  }

  get missing(): string[] {
    return Object.keys(versionOf).filter((name) => !this.versions.has(name));
  }
}

/** `pathFirst`: where psql and pg_dump of the server's own version lie. */
export async function findPeers(pathFirst: string | null): Promise<Peers> {
  const PATH = `${pathFirst === null ? "" : `${pathFirst}:`}${process.env["PATH"] ?? ""}`;
  const versions = new Map<string, string>();
  for (const [name, parameters] of Object.entries(versionOf)) {
    const said = await run(name, [...parameters], { env: { ...process.env, PATH } }).catch(() => null); // not installed
    if (said !== null) versions.set(name, /\d+\.[\d.]+\w*/.exec(said.stdout)?.[0] ?? said.stdout.trim());
  }
  return new Peers(versions);
}
