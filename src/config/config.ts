// Configuration: flat variables in, one frozen object out. Only main files read process.env. Every problem is listed at
// once, by the variable's name and what to do, never with its value.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { BackupError } from "../domain/errors.ts";
import { secretVariables, variables, type Variables } from "./variables.ts";

export { secretVariables, variables } from "./variables.ts";

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

type Environment = Readonly<Record<string, string | undefined>>;

/** @throws ConfigurationInvalid */
export function parseConfig(environment: Environment, options: { cwd: string }): Config {
  const problems: string[] = [];
  const given = readSecretFiles(withoutEmpty(environment), options.cwd, problems);
  const values = parseVariables(given, problems);
  const provider = values.BACKUP_STORAGE_PROVIDER ?? "filesystem";
  problems.push(...contradictions(values, provider));
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
    warnings: [...unknownVariables(given), ...withoutEffect(values, provider)],
  });
}

/** What has the right form, also when something else has not: the checks that follow can speak of it. */
function parseVariables(given: Record<string, string>, problems: string[]): Variables {
  const parsed = variables.safeParse(given);
  if (parsed.success) return parsed.data;
  const refused = new Set<string>();
  for (const issue of parsed.error.issues) {
    const name = String(issue.path[0]);
    if (refused.has(name)) continue;
    refused.add(name);
    problems.push(`${name} ${issue.message}`);
  }
  return variables.parse(Object.fromEntries(Object.entries(given).filter(([name]) => !refused.has(name))));
}

function contradictions(values: Variables, provider: Config["storage"]["provider"]): string[] {
  const problems: string[] = [];
  const together = (one: keyof Variables, other: keyof Variables): void => {
    if ((values[one] === undefined) !== (values[other] === undefined))
      problems.push(`${one} and ${other} must be set together`);
  };
  together("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY");
  if (values.BACKUP_AUTH_JWKS_URL !== undefined) {
    if (values.BACKUP_AUTH_SECRET !== undefined)
      problems.push("BACKUP_AUTH_SECRET and BACKUP_AUTH_JWKS_URL are both set; set one");
    if (values.BACKUP_AUTH_ISSUER === undefined)
      problems.push("BACKUP_AUTH_ISSUER must be set when BACKUP_AUTH_JWKS_URL is");
  }
  together("TEMPORAL_TLS_CLIENT_CERT_PATH", "TEMPORAL_TLS_CLIENT_KEY_PATH");
  together("BACKUP_SMTP_URL", "BACKUP_SMTP_FROM");
  if (values.TEMPORAL_TLS === false && values.TEMPORAL_API_KEY !== undefined)
    problems.push("TEMPORAL_TLS must not be false when TEMPORAL_API_KEY is set: the key would travel in the clear");
  const bucket = values.BACKUP_STORAGE_BUCKET;
  if (provider === "gcp" || provider === "azure") {
    problems.push(
      `BACKUP_STORAGE_PROVIDER ${provider} is not available yet; use filesystem or aws (also for S3-compatible stores)`,
    );
  } else if (provider === "aws") {
    if (bucket === undefined) problems.push("BACKUP_STORAGE_BUCKET must be set when BACKUP_STORAGE_PROVIDER is aws");
    else if (!/^[A-Za-z0-9][A-Za-z0-9._-]+$/.test(bucket))
      problems.push("BACKUP_STORAGE_BUCKET must be the bucket's name alone, without s3:// and without a path");
  } else {
    // The backups would go into a folder of this machine, and nobody would see it.
    for (const name of ["BACKUP_STORAGE_ENDPOINT", "BACKUP_STORAGE_SSE"] as const) {
      if (values[name] !== undefined) problems.push(`${name} is for BACKUP_STORAGE_PROVIDER aws; set that, too`);
    }
    if (bucket !== undefined && /^[a-z0-9]+:\/\//i.test(bucket))
      problems.push(
        "BACKUP_STORAGE_BUCKET must be a folder when BACKUP_STORAGE_PROVIDER is filesystem; for a bucket set aws",
      );
  }
  return problems;
}

function withoutEffect(values: Variables, provider: Config["storage"]["provider"]): string[] {
  return provider === "filesystem" && values.BACKUP_STORAGE_REGION !== undefined
    ? ["BACKUP_STORAGE_REGION has no effect: BACKUP_STORAGE_PROVIDER is filesystem"]
    : [];
}

/** An empty variable is one that is not set: compose files and CI write them so. */
function withoutEmpty(environment: Environment): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== ""),
  );
}

function withoutUndefined<T extends object>(values: T): { [Key in keyof T]?: Exclude<T[Key], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;
}

function readSecretFiles(given: Record<string, string>, cwd: string, problems: string[]): Record<string, string> {
  for (const name of secretVariables) {
    const file = given[`${name}_FILE`];
    if (file === undefined) continue;
    if (given[name] !== undefined) problems.push(`${name} and ${name}_FILE are both set; set one`);
    const text = readFileOrProblem(`${name}_FILE`, resolve(cwd, file), problems)?.trim();
    if (text === "") problems.push(`${name}_FILE names an empty file`);
    else if (text !== undefined) given[name] = text;
  }
  return given;
}

function readFileOrProblem(name: string, path: string, problems: string[]): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    problems.push(`${name} names a file that can't be read (${(error as NodeJS.ErrnoException).code ?? "unknown"})`);
    return undefined;
  }
}

function unknownVariables(given: Record<string, string>): string[] {
  const known = new Set([...Object.keys(variables.shape), ...secretVariables.map((name) => `${name}_FILE`)]);
  return Object.keys(given)
    .filter((name) => name.startsWith("BACKUP_") && !known.has(name))
    .map((name) => `${name} is not a variable of this product; is it misspelt?`);
}
