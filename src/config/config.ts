// Configuration: flat variables in, one frozen object out. Only main files read process.env. Every problem is listed at
// once, by the variable's name and what to do, never with its value.
import { resolve } from "node:path";
import { BackupError } from "../domain/errors.ts";
import { findContradictions, findMisspelt, findWithoutEffect } from "./contradictions.ts";
import { readFileOrProblem, readVariables, type Environment } from "./read-variables.ts";
import type { Variables } from "./variables.ts";

export interface Config {
  readonly sourceUrl: string | null;
  readonly controlUrl: string | null;
  readonly scratchUrl: string | null;
  readonly cataloguePath: string | null;
  readonly dataDir: string;
  readonly encryptionKey: string | null;
  /** For `keys rotate`. */
  readonly newEncryptionKey: string | null;
  /** For `verify`, in place of the encryption key. */
  readonly verificationKey: string | null;
  readonly storage: {
    readonly provider: "filesystem" | "aws" | "gcp" | "azure";
    readonly bucket: string;
    readonly region: string | null;
    readonly endpoint: string | null;
    readonly accessKeyId: string | null;
    readonly secretAccessKey: string | null;
    readonly sessionToken: string | null;
    readonly serverSideEncryption: "AES256" | "aws:kms" | null;
  };
  readonly mediaUrl: string | null;
  /** Where `recover` puts the rows. */
  readonly recoverDatabaseUrl: string | null;
  /** Where `restore` writes the rows; null: into the source. */
  readonly restoreTargetUrl: string | null;
  readonly temporal: {
    readonly address: string | null;
    readonly namespace: string;
    readonly apiKey: string | null;
    /** Certificates and keys as PEM texts. */
    readonly tls: {
      readonly certificate?: string;
      readonly privateKey?: string;
      readonly authority?: string;
      readonly serverName?: string;
    } | null;
    readonly cliPath: string | null;
  };
  readonly port: number;
  readonly facade: {
    readonly databaseUrl: string | null;
    readonly ipHashSalt: string | null;
    readonly redisUrl: string | null;
    readonly trustedProxies: number;
    readonly metricsPort: number | null;
    readonly auth: {
      readonly secret: string | null;
      readonly jwksUrl: string | null;
      readonly issuer: string;
      readonly audience: string;
      readonly roleClaim: string;
      readonly organizationClaim: string;
      /** The issuer's names of roles → ours; null when they are the same. */
      readonly roles: Readonly<Record<string, string>> | null;
    };
  };
  readonly workerMetricsPort: number | null;
  /** Null: nothing is traced. */
  readonly tracesEndpoint: string | null;
  readonly notifications: {
    /** Null: no mail server. */
    readonly mail: { readonly smtpUrl: string; readonly from: string } | null;
    readonly allowedHosts: readonly string[];
  };
  /** Things that are probably mistakes but stop nothing. */
  readonly warnings: readonly string[];
}

/** @throws ConfigurationInvalid */
export function parseConfig(environment: Environment, options: { cwd: string }): Config {
  const problems: string[] = [];
  const { given, values } = readVariables(environment, options.cwd, problems);
  const provider = values.BACKUP_STORAGE_PROVIDER ?? "filesystem";
  problems.push(...findContradictions(values, provider));
  const path = (value: string): string => resolve(options.cwd, value);
  const pem = (name: keyof Variables & `TEMPORAL_TLS_${string}_PATH`): string | undefined =>
    values[name] === undefined ? undefined : readFileOrProblem(name, path(values[name]), problems);
  const tls = {
    certificate: pem("TEMPORAL_TLS_CLIENT_CERT_PATH"),
    privateKey: pem("TEMPORAL_TLS_CLIENT_KEY_PATH"),
    authority: pem("TEMPORAL_TLS_SERVER_CA_CERT_PATH"),
    serverName: values.TEMPORAL_TLS_SERVER_NAME,
  };
  if (problems.length > 0) {
    const count = problems.length === 1 ? "a problem" : `${problems.length} problems`;
    throw new BackupError("ConfigurationInvalid", `The configuration has ${count}:\n- ${problems.join("\n- ")}`, {
      problems,
    });
  }
  const dataDir = path(values.BACKUP_DATA_DIR ?? ".wedsync");
  const wantsTls = values.TEMPORAL_TLS ?? (values.TEMPORAL_API_KEY !== undefined || Object.values(tls).some(Boolean));
  return Object.freeze<Config>({
    sourceUrl: values.BACKUP_SOURCE_DATABASE_URL ?? null,
    controlUrl: values.BACKUP_DATABASE_URL ?? null,
    scratchUrl: values.BACKUP_SCRATCH_DATABASE_URL ?? null,
    cataloguePath: values.BACKUP_CATALOGUE === undefined ? null : path(values.BACKUP_CATALOGUE),
    dataDir,
    encryptionKey: values.BACKUP_ENCRYPTION_KEY ?? null,
    newEncryptionKey: values.BACKUP_NEW_ENCRYPTION_KEY ?? null,
    verificationKey: values.BACKUP_VERIFICATION_KEY ?? null,
    storage: {
      provider,
      bucket:
        provider === "filesystem"
          ? path(values.BACKUP_STORAGE_BUCKET ?? resolve(dataDir, "repository"))
          : (values.BACKUP_STORAGE_BUCKET ?? ""),
      region: values.BACKUP_STORAGE_REGION ?? values.AWS_REGION ?? null,
      endpoint: values.BACKUP_STORAGE_ENDPOINT ?? null,
      accessKeyId: values.AWS_ACCESS_KEY_ID ?? null,
      secretAccessKey: values.AWS_SECRET_ACCESS_KEY ?? null,
      sessionToken: values.AWS_SESSION_TOKEN ?? null,
      serverSideEncryption: values.BACKUP_STORAGE_SSE ?? null,
    },
    mediaUrl:
      values.BACKUP_MEDIA_URL === undefined
        ? null
        : /^(s3|file):/.test(values.BACKUP_MEDIA_URL)
          ? values.BACKUP_MEDIA_URL
          : path(values.BACKUP_MEDIA_URL),
    recoverDatabaseUrl: values.RECOVER_DATABASE_URL ?? null,
    restoreTargetUrl: values.RESTORE_TARGET_DATABASE_URL ?? null,
    temporal: {
      address: values.TEMPORAL_ADDRESS ?? null,
      namespace: values.TEMPORAL_NAMESPACE ?? "default",
      apiKey: values.TEMPORAL_API_KEY ?? null,
      tls: wantsTls ? withoutUndefined(tls) : null,
      cliPath: values.TEMPORAL_CLI_PATH === undefined ? null : path(values.TEMPORAL_CLI_PATH),
    },
    port: Number(values.PORT ?? 3000),
    facade: {
      databaseUrl: values.BACKUP_FACADE_DATABASE_URL ?? null,
      ipHashSalt: values.IP_HASH_SALT ?? null,
      redisUrl: values.REDIS_URL ?? null,
      trustedProxies: Number(values.BACKUP_TRUSTED_PROXIES ?? 0),
      metricsPort: values.BACKUP_METRICS_PORT === undefined ? null : Number(values.BACKUP_METRICS_PORT),
      auth: {
        secret: values.BACKUP_AUTH_SECRET ?? null,
        jwksUrl: values.BACKUP_AUTH_JWKS_URL ?? null,
        issuer: values.BACKUP_AUTH_ISSUER ?? "wedsync-backup",
        audience: values.BACKUP_AUTH_AUDIENCE ?? "wedsync-backup",
        roleClaim: values.BACKUP_AUTH_ROLE_CLAIM ?? "role",
        organizationClaim: values.BACKUP_AUTH_ORGANIZATION_CLAIM ?? "organization_id",
        roles:
          values.BACKUP_AUTH_ROLES === undefined
            ? null
            : Object.fromEntries(
                values.BACKUP_AUTH_ROLES.split(",").map((pair) => pair.split("=") as [string, string]),
              ),
      },
    },
    workerMetricsPort:
      values.BACKUP_WORKER_METRICS_PORT === undefined ? null : Number(values.BACKUP_WORKER_METRICS_PORT),
    tracesEndpoint: values.OTEL_EXPORTER_OTLP_ENDPOINT ?? null,
    notifications: {
      mail:
        values.BACKUP_SMTP_URL === undefined || values.BACKUP_SMTP_FROM === undefined
          ? null
          : { smtpUrl: values.BACKUP_SMTP_URL, from: values.BACKUP_SMTP_FROM },
      allowedHosts: values.BACKUP_NOTIFY_HOSTS?.toLowerCase().split(",") ?? [],
    },
    warnings: [...findMisspelt(given), ...findWithoutEffect(values, provider)],
  });
}

function withoutUndefined<T extends object>(values: T): { [Key in keyof T]?: Exclude<T[Key], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;
}
