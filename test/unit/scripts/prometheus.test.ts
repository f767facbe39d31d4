// scripts/monitoring/prometheus.yaml asks exactly the services of docker-compose.temporal.yml that tell figures.
import { readFile } from "node:fs/promises";
import { expect, test } from "@jest/globals";
import { parse } from "yaml";

const folder = "scripts/monitoring";
const read = async (path: string): Promise<unknown> => parse(await readFile(path, "utf8"), { merge: true });

const prometheus = (await read(`${folder}/prometheus.yaml`)) as {
  readonly rule_files: readonly string[];
  readonly scrape_configs: readonly {
    readonly job_name: string;
    readonly metrics_path?: string;
    readonly static_configs?: readonly { readonly targets: readonly string[] }[];
    readonly dns_sd_configs?: readonly {
      readonly names: readonly string[];
      readonly type: string;
      readonly port: number;
    }[];
  }[];
};
const { services } = (await read("docker-compose.temporal.yml")) as {
  readonly services: Readonly<
    Record<string, { readonly environment?: Readonly<Record<string, string>>; readonly networks?: readonly string[] }>
  >;
};

test("every service that tells figures is asked, at its port and in the network of figures, and nothing else is", () => {
  const asked = prometheus.scrape_configs.flatMap((job) => [
    ...(job.static_configs ?? []).flatMap(({ targets }) => targets),
    ...(job.dns_sd_configs ?? []).flatMap(({ names, port }) => names.map((name) => `${name}:${port}`)),
  ]);
  const telling = Object.entries(services).flatMap(([name, { environment = {}, networks = [] }]) => {
    const port = environment["BACKUP_METRICS_PORT"] ?? environment["BACKUP_WORKER_METRICS_PORT"];
    return port !== undefined && networks.includes("metrics") ? [`${name}:${port}`] : [];
  });
  expect(telling).toHaveLength(2);
  expect(asked.sort()).toEqual(telling.sort());
});

test("all workers are found: a static target would be one of them", () => {
  const found = prometheus.scrape_configs.flatMap((job) => job.dns_sd_configs ?? []);
  expect(found).toEqual([expect.objectContaining({ names: ["worker"], type: "A" })]);
});

test("figures are where Prometheus looks by default, and the alert rules are read", async () => {
  for (const { metrics_path } of prometheus.scrape_configs) expect(metrics_path ?? "/metrics").toBe("/metrics");
  expect(prometheus.rule_files).toEqual(["alerts.yaml"]);
  expect(await read(`${folder}/${prometheus.rule_files[0]}`)).toHaveProperty("groups");
});
