// docker-compose.temporal.yml and scripts/Dockerfile hold to what they promise. Nothing is started here.
import { readFile } from "node:fs/promises";
import { describe, expect, test } from "@jest/globals";
import { parse } from "yaml";
import { nodeEnvironment, nodeFlags } from "../../../scripts/start-node.mjs";
import { findAuthSecret } from "../../../src/config/auth-secret.ts";
import { parseConfig } from "../../../src/config/config.ts";
import { findEncryptionKey } from "../../../src/config/encryption-key.ts";
import { loadCatalogue } from "../../../src/config/load-catalogue.ts";
import { variables } from "../../../src/config/variables.ts";

interface Service {
  readonly image?: string;
  readonly user?: string;
  readonly entrypoint?: readonly string[];
  readonly restart?: string;
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly ports?: readonly string[];
  readonly networks?: readonly string[];
  readonly network_mode?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly healthcheck?: object;
  readonly environment?: Readonly<Record<string, string>>;
  readonly configs?: readonly { readonly source: string; readonly target: string }[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
}

const text = await readFile("docker-compose.temporal.yml", "utf8");
const compose = parse(text, { merge: true }) as {
  readonly services: Readonly<Record<string, Service>>;
  readonly networks: Readonly<Record<string, { readonly internal?: boolean } | null>>;
  readonly configs: Readonly<Record<string, { readonly file?: string }>>;
};
const services = Object.entries(compose.services);
const endsByItself = (name: string): boolean =>
  services.some(([, each]) => each.depends_on?.[name]?.condition === "service_completed_successfully");

describe.each(services)("service %s", (name, service) => {
  test("is pinned to a version", () => {
    expect(service.image).toMatch(/:v?\d+\.\d+/);
  });

  test("has a health check, or ends by itself, or says why it has none", () => {
    const reason = service.labels?.["wedsync.no-healthcheck"] ?? (endsByItself(name) ? "ends by itself" : undefined);
    expect(service.healthcheck ?? reason).toBeDefined();
  });

  test("holds no secret, and no default for one", () => {
    for (const [variable, value] of Object.entries(service.environment ?? {})) {
      const isSecret = /PASSWORD|SECRET|_KEY|PWD|SALT|_URL$/.test(variable) && variable !== "BACKUP_MEDIA_URL";
      if (isSecret) expect(`${variable}: ${value}`).toMatch(/\$\{\w+:\?[^}]+\}/);
    }
  });

  test("is started again, and has no rights that it does not need", () => {
    expect(service.restart).toMatch(/^(unless-stopped|on-failure:\d+)$/);
    expect(service.cap_drop).toEqual(["ALL"]);
    expect(service.security_opt).toEqual(["no-new-privileges:true"]);
    // The product's own image says its user; the one root service makes the store's folder, and ends.
    if (!service.image?.startsWith("wedsync-backup:") && name !== "s3-volume") expect(service.user).toBeDefined();
    expect(service.user ?? "").not.toMatch(/^(root|0)(:|$)/);
  });

  test("is published to this machine only", () => {
    for (const port of service.ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:/);
  });

  test("meets others in networks that exist, and publishes through one with a way out", () => {
    const names = service.networks ?? [];
    if (service.network_mode !== "none") expect(names.length).toBeGreaterThan(0);
    for (const network of names) expect(Object.keys(compose.networks)).toContain(network);
    if (service.ports !== undefined) expect(names.some((each) => !compose.networks[each]?.internal)).toBe(true);
  });

  test("waits only for services that exist, and for health only where it is checked", () => {
    for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
      expect(Object.keys(compose.services)).toContain(other);
      if (condition === "service_healthy") expect(compose.services[other]?.healthcheck).toBeDefined();
    }
  });
});

test("the product's services set only variables that the product knows", () => {
  for (const [, { image, environment }] of services) {
    if (!image?.startsWith("wedsync-backup:")) continue;
    for (const name of Object.keys(environment ?? {})) expect(Object.keys(variables.shape)).toContain(name);
  }
});

/** As compose fills it in, where somebody set what it asks for by name and nothing else. */
const filled = (value: string): string =>
  value.replaceAll(/\$\{(\w+):([?-])([^}]*)\}/g, (_, name: string, kind: string, rest: string) =>
    kind === "-" ? rest : name.endsWith("_URL") ? "postgres://backup:secret@db.example.org:5432/app" : "f".repeat(48),
  );

test.each(["worker", "facade"])("what compose asks for is all that the %s needs", async (name) => {
  const given = Object.entries(compose.services[name]?.environment ?? {}).map(([key, value]) => [key, filled(value)]);
  const config = parseConfig(Object.fromEntries(given) as Record<string, string>, { cwd: "/app" });
  expect(config.warnings).toEqual([]);
  const say = (line: string): never => {
    throw new Error(line); // a secret that is made in a container goes with it
  };
  expect(await findEncryptionKey(config, say)).toHaveLength(48);
  if (name === "facade") expect(await findAuthSecret(config, say)).toHaveLength(48);
  const mounted = compose.services[name]?.configs?.find(({ target }) => target === config.cataloguePath);
  expect(await loadCatalogue(filled(compose.configs[mounted?.source ?? ""]?.file ?? "nowhere"))).toMatchObject({
    name: "wedsync",
  });
});

test("the image runs as an ordinary user on a pinned Node, and hears SIGTERM", async () => {
  const file = await readFile("scripts/Dockerfile", "utf8");
  const froms = [...file.matchAll(/^FROM (\S+)/gm)].map(([, image]) => image);
  expect(froms).toEqual(["node:24-bookworm-slim", "node:24-bookworm-slim"]);
  expect(file.slice(file.lastIndexOf("FROM"))).toMatch(/^USER node$/m);
  expect(file).toMatch(/^STOPSIGNAL SIGTERM$/m);
  expect(file).toMatch(/^ENTRYPOINT \["node"/m); // exec form: a shell would swallow the signal
});

test("the image starts Node as the command does", async () => {
  const file = await readFile("scripts/Dockerfile", "utf8");
  const [, entry = "[]"] = /^ENTRYPOINT (.*)$/m.exec(file) ?? [];
  expect(JSON.parse(entry)).toEqual(["node", ...nodeFlags, "src/cli/main.ts"]);
  for (const name of Object.keys(nodeEnvironment({}))) expect(file).toMatch(new RegExp(`^ENV .*\\b${name}=`, "m"));
});
