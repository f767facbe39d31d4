import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { parseConfig } from "../../../src/config/config.ts";
import { secretVariables, variables } from "../../../src/config/variables.ts";
import { BackupError } from "../../../src/domain/errors.ts";

const cwd = "/srv/wedsync";
const parse = (environment: Record<string, string>) => parseConfig(environment, { cwd });

function problemsOf(environment: Record<string, string>): string[] {
  try {
    parse(environment);
  } catch (error) {
    expect(error).toBeInstanceOf(BackupError);
    const { code, message, details, kind } = error as BackupError;
    expect(code).toBe("ConfigurationInvalid");
    expect(kind.exitCode).toBe(2);
    const problems = details["problems"] as string[];
    for (const problem of problems) expect(message).toContain(problem);
    return problems;
  }
  return [];
}

describe("the configuration", () => {
  test("has defaults for everything", () => {
    const config = parse({});
    expect(config).toMatchObject({
      sourceUrl: null,
      controlUrl: null,
      cataloguePath: null,
      dataDir: "/srv/wedsync/.wedsync",
      encryptionKey: null,
      storage: { provider: "filesystem", bucket: "/srv/wedsync/.wedsync/repository", serverSideEncryption: null },
      mediaUrl: null,
      temporal: { address: null, namespace: "default", apiKey: null, tls: null },
      port: 3000,
      warnings: [],
    });
    expect(Object.isFrozen(config)).toBe(true);
  });

  test("takes every variable", () => {
    const folder = mkdtempSync(join(tmpdir(), "wedsync-config-"));
    const pem = join(folder, "a.pem");
    writeFileSync(pem, "PEM");
    const given = {
      BACKUP_SOURCE_DATABASE_URL: "postgres://reader:p%40ss@db:5432/app",
      BACKUP_DATABASE_URL: "postgresql://control@db/control?sslmode=require",
      BACKUP_SCRATCH_DATABASE_URL: "postgres://tester@localhost/postgres",
      BACKUP_CATALOGUE: "catalogue.yaml",
      BACKUP_DATA_DIR: "data",
      BACKUP_ENCRYPTION_KEY: "a passphrase of some length",
      BACKUP_NEW_ENCRYPTION_KEY: "the next passphrase",
      BACKUP_VERIFICATION_KEY: "wsv1.x",
      BACKUP_STORAGE_PROVIDER: "aws",
      BACKUP_STORAGE_BUCKET: "wedsync-backups",
      BACKUP_STORAGE_REGION: "eu-west-1",
      BACKUP_STORAGE_ENDPOINT: "https://s3.example.com:9000",
      BACKUP_STORAGE_SSE: "aws:kms",
      BACKUP_MEDIA_URL: "s3://photos/of/weddings",
      RECOVER_DATABASE_URL: "postgres://me@localhost/empty",
      RESTORE_TARGET_DATABASE_URL: "postgres://me@localhost/rehearsal",
      AWS_ACCESS_KEY_ID: "id",
      AWS_SECRET_ACCESS_KEY: "secret",
      AWS_SESSION_TOKEN: "token",
      AWS_REGION: "us-west-2",
      IP_HASH_SALT: "0123456789abcdef",
      REDIS_URL: "rediss://:secret@redis:6379",
      TEMPORAL_ADDRESS: "wedsync.tmprl.cloud:7233",
      TEMPORAL_NAMESPACE: "wedsync.prod",
      TEMPORAL_API_KEY: "key",
      TEMPORAL_TLS: "true",
      TEMPORAL_TLS_CLIENT_CERT_PATH: pem,
      TEMPORAL_TLS_CLIENT_KEY_PATH: pem,
      TEMPORAL_TLS_SERVER_CA_CERT_PATH: pem,
      TEMPORAL_TLS_SERVER_NAME: "temporal.internal",
      TEMPORAL_CLI_PATH: "/opt/temporal",
      BACKUP_FACADE_DATABASE_URL: "postgres://facade@localhost/wedsync",
      BACKUP_AUTH_SECRET: "0123456789abcdef0123456789abcdef",
      BACKUP_AUTH_ISSUER: "https://id.example.com",
      BACKUP_AUTH_AUDIENCE: "backups",
      BACKUP_AUTH_ROLE_CLAIM: "app.role",
      BACKUP_AUTH_ORGANIZATION_CLAIM: "app.org",
      BACKUP_AUTH_ROLES: "editor=operator,boss=owner",
      BACKUP_TRUSTED_PROXIES: "2",
      BACKUP_METRICS_PORT: "9464",
      BACKUP_WORKER_METRICS_PORT: "9465",
      OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318",
      BACKUP_SMTP_URL: "smtps://me:p%40ss@mail.example.com:465",
      BACKUP_SMTP_FROM: "backup@example.com",
      BACKUP_NOTIFY_HOSTS: "Hooks.internal,localhost:8080",
      PORT: "8080",
    } satisfies Partial<Record<keyof typeof variables.shape, string>>;
    const unused = ["BACKUP_AUTH_JWKS_URL"]; // stands in for BACKUP_AUTH_SECRET
    expect(Object.keys(given).concat(unused).sort()).toEqual(Object.keys(variables.shape).sort());
    expect(parse(given)).toEqual({
      sourceUrl: given.BACKUP_SOURCE_DATABASE_URL,
      controlUrl: given.BACKUP_DATABASE_URL,
      scratchUrl: given.BACKUP_SCRATCH_DATABASE_URL,
      cataloguePath: "/srv/wedsync/catalogue.yaml",
      dataDir: "/srv/wedsync/data",
      encryptionKey: given.BACKUP_ENCRYPTION_KEY,
      newEncryptionKey: given.BACKUP_NEW_ENCRYPTION_KEY,
      verificationKey: "wsv1.x",
      storage: {
        provider: "aws",
        bucket: "wedsync-backups",
        region: "eu-west-1",
        endpoint: "https://s3.example.com:9000",
        accessKeyId: "id",
        secretAccessKey: "secret",
        sessionToken: "token",
        serverSideEncryption: "aws:kms",
      },
      mediaUrl: "s3://photos/of/weddings",
      recoverDatabaseUrl: given.RECOVER_DATABASE_URL,
      restoreTargetUrl: given.RESTORE_TARGET_DATABASE_URL,
      temporal: {
        address: "wedsync.tmprl.cloud:7233",
        namespace: "wedsync.prod",
        apiKey: "key",
        tls: { certificate: "PEM", privateKey: "PEM", authority: "PEM", serverName: "temporal.internal" },
        cliPath: "/opt/temporal",
      },
      port: 8080,
      facade: {
        databaseUrl: given.BACKUP_FACADE_DATABASE_URL,
        ipHashSalt: given.IP_HASH_SALT,
        redisUrl: given.REDIS_URL,
        trustedProxies: 2,
        metricsPort: 9464,
        auth: {
          secret: given.BACKUP_AUTH_SECRET,
          jwksUrl: null,
          issuer: "https://id.example.com",
          audience: "backups",
          roleClaim: "app.role",
          organizationClaim: "app.org",
          roles: { editor: "operator", boss: "owner" },
        },
      },
      workerMetricsPort: 9465,
      tracesEndpoint: "http://collector:4318",
      notifications: {
        mail: { smtpUrl: given.BACKUP_SMTP_URL, from: "backup@example.com" },
        allowedHosts: ["hooks.internal", "localhost:8080"],
      },
      warnings: [],
    });
  });

  test("lists every problem at once, by name, and never a value", () => {
    const secret = "pl4nted-s3cret";
    const given: Record<string, string> = {
      BACKUP_SOURCE_DATABASE_URL: `mysql://root:${secret}@db/app`,
      BACKUP_DATABASE_URL: `postgres://u:${secret}@db:not-a-port/x`,
      BACKUP_STORAGE_PROVIDER: `dropbox-${secret}`,
      BACKUP_STORAGE_ENDPOINT: `ftp://${secret}`,
      BACKUP_STORAGE_SSE: secret,
      BACKUP_MEDIA_URL: `https://${secret}`,
      RECOVER_DATABASE_URL: secret,
      RESTORE_TARGET_DATABASE_URL: secret,
      AWS_SECRET_ACCESS_KEY: secret,
      IP_HASH_SALT: "short-s3cret",
      REDIS_URL: `http://:${secret}@redis`,
      TEMPORAL_ADDRESS: `https://${secret}:7233`,
      TEMPORAL_TLS: secret,
      TEMPORAL_TLS_CLIENT_CERT_PATH: `/nowhere/${secret}`,
      BACKUP_ENCRYPTION_KEY_FILE: `/nowhere/${secret}`,
      PORT: "70000",
    };
    const problems = problemsOf(given);
    for (const name of Object.keys(given)) expect(problems.join("\n")).toContain(name);
    expect(problems.join("\n")).not.toContain("s3cret");
    expect(problems.join("\n")).not.toContain("70000");
  });

  test.each([
    ["BACKUP_SOURCE_DATABASE_URL", "postgres://user:pa#ss@host/db"],
    ["BACKUP_SOURCE_DATABASE_URL", "host=db user=me"],
    ["BACKUP_STORAGE_ENDPOINT", "s3.example.com"],
    ["TEMPORAL_ADDRESS", "temporal"],
    ["TEMPORAL_ADDRESS", "temporal:99999"],
    ["PORT", "-1"],
    ["PORT", "http"],
    ["BACKUP_MEDIA_URL", "gs://bucket"],
    ["TEMPORAL_TLS", "perhaps"],
    ["BACKUP_SMTP_URL", "mail.example.com:25"],
    ["BACKUP_SMTP_FROM", "Backup <backup@example.com>"],
    ["BACKUP_SMTP_FROM", "backup@example.com\r\nBcc: x@example.com"],
    ["BACKUP_NOTIFY_HOSTS", "http://localhost"],
  ])("refuses %s=%s", (name, value) => {
    expect(problemsOf({ [name]: value, BACKUP_STORAGE_PROVIDER: "aws", BACKUP_STORAGE_BUCKET: "b3" })).toEqual([
      expect.stringContaining(name),
    ]);
  });

  test.each(["localhost:7233", "10.0.0.1:7233", "[::1]:7233"])("takes the address %s", (address) => {
    expect(parse({ TEMPORAL_ADDRESS: address }).temporal.address).toBe(address);
  });

  test("refuses what contradicts itself", () => {
    expect(problemsOf({ BACKUP_STORAGE_PROVIDER: "aws" })).toEqual([expect.stringContaining("BACKUP_STORAGE_BUCKET")]);
    expect(problemsOf({ BACKUP_STORAGE_PROVIDER: "aws", BACKUP_STORAGE_BUCKET: "s3://b" })).toHaveLength(1);
    expect(problemsOf({ BACKUP_STORAGE_ENDPOINT: "http://127.0.0.1:9000" })).toEqual([
      expect.stringContaining("BACKUP_STORAGE_PROVIDER"),
    ]);
    expect(problemsOf({ BACKUP_STORAGE_BUCKET: "s3://wedsync" })).toHaveLength(1);
    expect(problemsOf({ AWS_ACCESS_KEY_ID: "id" })).toEqual([expect.stringContaining("together")]);
    expect(problemsOf({ TEMPORAL_API_KEY: "k", TEMPORAL_TLS: "false" })).toHaveLength(1);
    for (const BACKUP_STORAGE_PROVIDER of ["gcp", "azure"])
      expect(problemsOf({ BACKUP_STORAGE_PROVIDER, BACKUP_STORAGE_BUCKET: "b3" })).toEqual([
        expect.stringContaining("not available"),
      ]);
  });

  test("an API key turns TLS on", () => {
    expect(parse({ TEMPORAL_API_KEY: "key" }).temporal.tls).toEqual({});
  });

  test("an empty variable is one that is not set", () => {
    expect(parse({ BACKUP_SOURCE_DATABASE_URL: "", PORT: "" }).port).toBe(3000);
  });

  test.each(secretVariables)("reads %s from a file, and says when both are set", (name) => {
    const value = name.endsWith("URL")
      ? `${{ REDIS_URL: "redis", BACKUP_SMTP_URL: "smtp" }[name as string] ?? "postgres"}://me:secret@host/db`
      : "a secret of some length, long enough for every one";
    const path = join(mkdtempSync(join(tmpdir(), "wedsync-config-")), "secret");
    writeFileSync(path, `${value}\n`);
    const companions: Partial<Record<string, Record<string, string>>> = {
      AWS_SECRET_ACCESS_KEY: { AWS_ACCESS_KEY_ID: "id" },
      BACKUP_SMTP_URL: { BACKUP_SMTP_FROM: "backup@example.com" },
    };
    const rest = companions[name] ?? {};
    expect(JSON.stringify(parse({ ...rest, [`${name}_FILE`]: path }))).toContain(value);
    expect(problemsOf({ ...rest, [`${name}_FILE`]: path, [name]: value })).toEqual([
      `${name} and ${name}_FILE are both set; set one`,
    ]);
    writeFileSync(path, "\n");
    expect(problemsOf({ ...rest, [`${name}_FILE`]: path }).join()).toContain("empty file");
  });

  test("says which variable is probably misspelt", () => {
    expect(parse({ BACKUP_STORAGE_BUKET: "x" }).warnings).toEqual([expect.stringContaining("BACKUP_STORAGE_BUKET")]);
    expect(parse({ BACKUP_STORAGE_REGION: "eu-west-1" }).warnings).toHaveLength(1);
  });
});
