// npm run bench: makes the data, runs ours and the peers that are installed, and writes one table and one JSON document.
//
//   --quick           small data and two runs, to see that everything works; its figures say nothing
//   --only a,b        some of: big, restore, all, small, media, load, huge, night, facade
//   --runs N          fewer or more interleaved runs than the size has
//   --json FILE       where the document goes (default: bench-result.json in the system's folder for temporary files)
//   --keep            what was measured at full size is kept, part by part, for the README's table (then: npm run docs)
//
// Nothing is installed. Peers that are missing are named, and their lines left out.
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { connectClient } from "../../src/client/connect.ts";
import { nodeFlags } from "../start-node.mjs";
import type { BenchContext } from "./bench-context.ts";
import { makeWeddings } from "./bench-data.ts";
import { startBenchServers } from "./bench-servers.ts";
import { benchSizes } from "./bench-size.ts";
import { keepResults } from "./kept-results.ts";
import { measureAllOrganizations } from "./measure-all-organizations.ts";
import { measureBigOrganization } from "./measure-big-organization.ts";
import { measureFacade } from "./measure-facade.ts";
import { measureHuge } from "./measure-huge.ts";
import { measureManySmall } from "./measure-many-small.ts";
import { measureMedia } from "./measure-media.ts";
import type { Measurement } from "./measurement.ts";
import { measureNight } from "./measure-night.ts";
import { measureRestore } from "./measure-restore.ts";
import { measureWriteLoad } from "./measure-write-load.ts";
import { findPeers } from "./peers.ts";
import { queryOnce } from "./query-once.ts";
import { describeResults, thisMachine, type BenchResult } from "./result.ts";

// Ours is partly measured in this process (proofs): it collects its memory as the product's processes do.
for (const flag of nodeFlags) if (!flag.startsWith("--disable-warning")) setFlagsFromString(flag);

const parts: Readonly<Record<string, (context: BenchContext) => Promise<Measurement[]>>> = {
  all: measureAllOrganizations, // before the big organization is changed
  big: measureBigOrganization,
  restore: measureRestore,
  load: measureWriteLoad,
  small: measureManySmall,
  media: measureMedia,
  huge: measureHuge,
  night: measureNight,
  facade: measureFacade,
};
const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string", default: Object.keys(parts).join(",") },
    runs: { type: "string" },
    json: { type: "string", default: join(tmpdir(), "bench-result.json") },
    keep: { type: "boolean", default: false },
  },
});
const chosen = values.only.split(",");
const unknown = chosen.filter((name) => !Object.hasOwn(parts, name));
if (unknown.length > 0) throw new Error(`--only knows ${Object.keys(parts).join(", ")}; not ${unknown.join(", ")}`);
if (values.keep && (values.quick || Number(values.runs ?? 5) < 5))
  throw new Error("--keep wants a run at full size, five times or more");

const say = (line: string): void => void process.stderr.write(`${line}\n`);
const sized = benchSizes[values.quick ? "quick" : "full"];
const size = { ...sized, runs: Number(values.runs ?? sized.runs) };
const servers = await startBenchServers(say);
const stop = async (): Promise<void> => await servers.stop();
process.once("SIGINT", () => void stop().then(() => process.exit(130)));
try {
  const peers = await findPeers(servers.postgresPrograms);
  const sourceUrl = await servers.createDatabase("weddings");
  say(`making ${size.weddings.organizations} organizations`);
  const { organizationIds, rows, copyBytes } = await makeWeddings(sourceUrl, size.weddings, null);
  const temporal = { address: servers.temporalAddress, namespace: "default", apiKey: null, tls: null };
  const connected = await connectClient(temporal);
  const PATH = [servers.postgresPrograms, process.env["PATH"]].filter(Boolean).join(":");
  const url = new URL(sourceUrl);
  const peerEnvironment = {
    PATH,
    PGHOST: url.hostname,
    PGPORT: url.port,
    PGUSER: url.username,
    PGPASSWORD: url.password,
    PGDATABASE: url.pathname.slice(1),
  };
  const context = { size, servers, client: connected.client, peers, sourceUrl, organizationIds, peerEnvironment, say };
  const run: Omit<BenchResult, "measurements"> = {
    command: `npm run bench -- --only ${values.only}${values.quick ? " --quick" : ""} --runs ${size.runs}`,
    size: size.name,
    runs: size.runs,
    date: new Date().toISOString().slice(0, 10),
    machine: thisMachine(),
    versions: {
      Postgres: await serverVersion(sourceUrl),
      Node: process.versions.node,
      ...Object.fromEntries(peers.versions),
    },
    missingPeers: peers.missing,
    data: { organizations: organizationIds.length, rows, "MB of COPY text": Math.round(copyBytes / 1e6) },
  };
  const results: Record<string, BenchResult> = {};
  for (const name of Object.keys(parts).filter((each) => chosen.includes(each))) {
    say(`${name}:`);
    const result = { ...run, measurements: (await parts[name]?.(context)) ?? [] };
    results[name] = result;
    if (values.keep) await keepResults({ [name]: result }); // at once: a later part may fail
  }
  await connected.close();
  await writeFile(values.json, `${JSON.stringify(results, null, 2)}\n`);
  console.log(describeResults(Object.values(results)));
} finally {
  await stop();
}

async function serverVersion(connectionString: string): Promise<string> {
  const sql = "SELECT current_setting('server_version') AS version";
  const [row] = await queryOnce<{ version: string }>(connectionString, sql);
  return row?.version.split(" ")[0] ?? "unknown";
}
