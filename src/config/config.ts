// Configuration: flat variables in, one frozen object out. Only main files read process.env. Every problem is listed at
// once, by the variable's name and what to do, never with its value.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { z } from "zod";
import { BackupError } from "../domain/errors.ts";

const postgresUrl = z
  .string()
  .regex(/^postgres(ql)?:\/\/\S+$/, "must be a URL like postgres://user:password@host:5432/database");
const httpUrl = z.string().regex(/^https?:\/\/\S+$/, "must start with http:// or https://");
const hostPort = z.string().regex(/^[^\s/:]+:\d{1,5}$/, "must be host:port, without a scheme");
const port = z.string().regex(/^\d{1,5}$/, "must be a port number");

/** `meta.description` is what the README's table prints. */
export const variables = z.object({
  BACKUP_SOURCE_DATABASE_URL: postgresUrl
    .optional()
    .meta({ description: "The Postgres to protect. Unset: an embedded one with sample weddings." }),
  BACKUP_DATABASE_URL: postgresUrl
    .optional()
    .meta({ description: "Where the control tables live (schema `backup`). Default: the source." }),
  BACKUP_CATALOGUE: z
    .string()
    .optional()
    .meta({ description: "JSON or YAML file that says how your schema belongs to organizations. Default: WedSync's." }),
  BACKUP_DATA_DIR: z
    .string()
    .optional()
    .meta({ description: "Folder for local servers and the local repository. Default: `.wedsync`." }),
  BACKUP_ENCRYPTION_KEY: z.string().optional().meta({
    description:
      "32 random bytes as base64 or hex (`openssl rand -base64 32`), or a passphrase of 16 characters or more.",
  }),
  BACKUP_STORAGE_PROVIDER: z
    .enum(["filesystem", "aws", "gcp", "azure"], "must be filesystem, aws, gcp or azure")
    .optional()
    .meta({
      description: "`filesystem` (default) or `aws` (S3 and S3-compatible); `gcp` and `azure` are not available yet.",
    }),
  BACKUP_STORAGE_BUCKET: z
    .string()
    .optional()
    .meta({ description: "The bucket; for `filesystem` a folder. Default: `repository` in the data folder." }),
  BACKUP_STORAGE_REGION: z.string().optional().meta({ description: "The bucket's region." }),
  BACKUP_STORAGE_ENDPOINT: httpUrl.optional().meta({ description: "For S3-compatible stores." }),
  BACKUP_MEDIA_URL: z
    .string()
    .optional()
    .meta({ description: "Where the files that rows name are: a folder, `file://…` or `s3://bucket/prefix`." }),
  AWS_ACCESS_KEY_ID: z
    .string()
    .optional()
    .meta({ description: "Credentials of the bucket; unset: the AWS SDK's own chain." }),
  AWS_SECRET_ACCESS_KEY: z.string().optional().meta({ description: "Goes with it." }),
  IP_HASH_SALT: z
    .string()
    .min(16, "must have at least 16 characters")
    .optional()
    .meta({ description: "Keys the hashes of IP addresses in the audit log." }),
  REDIS_URL: z
    .string()
    .regex(/^rediss?:\/\/\S+$/, "must be a URL like redis://host:6379")
    .optional()
    .meta({ description: "Shared rate limits. Unset: Postgres." }),
  TEMPORAL_ADDRESS: hostPort
    .optional()
    .meta({ description: "Your Temporal cluster. Unset: a development server on this machine." }),
  TEMPORAL_NAMESPACE: z.string().optional().meta({ description: "Default: `default`." }),
  TEMPORAL_API_KEY: z.string().optional().meta({ description: "For Temporal Cloud; turns TLS on." }),
  TEMPORAL_TLS: z
    .stringbool("must be true or false")
    .optional()
    .meta({ description: "`true` to connect with TLS without an API key." }),
  TEMPORAL_TLS_CERT_PATH: z
    .string()
    .optional()
    .meta({ description: "PEM file of the client's certificate, for mutual TLS." }),
  TEMPORAL_TLS_KEY_PATH: z.string().optional().meta({ description: "PEM file of its key." }),
  TEMPORAL_CLI_PATH: z
    .string()
    .optional()
    .meta({ description: "The `temporal` program that runs the development server." }),
  BACKUP_FACADE_DATABASE_URL: postgresUrl.optional().meta({
    description:
      "The control tables by a login of the facade's own, a member of `wedsync_backup_facade`. Default: BACKUP_DATABASE_URL's login, which takes that role for each transaction.",
  }),
  BACKUP_AUTH_SECRET: z.string().min(32, "must have at least 32 characters").optional().meta({
    description: "The secret that signs admins' tokens (HS256), as in Supabase. Embedded demonstration: made once.",
  }),
  BACKUP_AUTH_JWKS_URL: httpUrl
    .optional()
    .meta({ description: "Where an OpenID Connect issuer publishes its keys; instead of BACKUP_AUTH_SECRET." }),
  BACKUP_AUTH_ISSUER: z.string().optional().meta({
    description: "The issuer that tokens must name. With BACKUP_AUTH_SECRET the default is `wedsync-backup`.",
  }),
  BACKUP_AUTH_AUDIENCE: z
    .string()
    .optional()
    .meta({ description: "The audience that tokens must name. Default: `wedsync-backup`." }),
  BACKUP_AUTH_ROLE_CLAIM: z
    .string()
    .regex(/^[\w-]+(\.[\w-]+)*$/, "must be a claim's name, with dots for claims within claims")
    .optional()
    .meta({ description: "The claim that holds the role, such as `app_metadata.backup_role`. Default: `role`." }),
  BACKUP_AUTH_ORGANIZATION_CLAIM: z
    .string()
    .regex(/^[\w-]+(\.[\w-]+)*$/, "must be a claim's name, with dots for claims within claims")
    .optional()
    .meta({ description: "The claim that holds the organization's id. Default: `organization_id`." }),
  BACKUP_AUTH_ROLES: z
    .string()
    .regex(
      /^[^=,\s]+=(viewer|operator|admin|owner|platform)(,[^=,\s]+=(viewer|operator|admin|owner|platform))*$/,
      "must be a list like editor=operator,manager=admin; the roles are viewer, operator, admin, owner and platform",
    )
    .optional()
    .meta({ description: "Your roles as ours: `editor=operator,manager=admin`. Unset: the claim holds our names." }),
  BACKUP_TRUSTED_PROXIES: z
    .string()
    .regex(/^\d$/, "must be a number from 0 to 9")
    .optional()
    .meta({ description: "How many proxies stand before the facade and may say who asks. Default: 0." }),
  PORT: port.optional().meta({ description: "The facade's port. Default: 3000." }),
});

/** These may also be given as NAME_FILE, the path of a file that holds the value. */
export const secretVariables = [
  "BACKUP_ENCRYPTION_KEY",
  "BACKUP_SOURCE_DATABASE_URL",
  "BACKUP_DATABASE_URL",
  "AWS_SECRET_ACCESS_KEY",
  "TEMPORAL_API_KEY",
  "BACKUP_FACADE_DATABASE_URL",
  "BACKUP_AUTH_SECRET",
  "IP_HASH_SALT",
  "REDIS_URL",
] as const;

export interface Config {
  readonly sourceUrl: string | null;
  readonly controlUrl: string | null;
  readonly cataloguePath: string | null;
  readonly dataDir: string;
  readonly encryptionKey: string | null;
  readonly storage: {
    readonly provider: "filesystem" | "aws" | "gcp" | "azure";
    readonly bucket: string;
    readonly region: string | null;
    readonly endpoint: string | null;
    readonly accessKeyId: string | null;
    readonly secretAccessKey: string | null;
  };
  readonly mediaUrl: string | null;
  readonly temporal: {
    readonly address: string | null;
    readonly namespace: string;
    readonly apiKey: string | null;
    readonly tls: { readonly certificate?: string; readonly privateKey?: string } | null;
    readonly cliPath: string | null;
  };
  readonly port: number;
  readonly facade: {
    readonly databaseUrl: string | null;
    readonly ipHashSalt: string | null;
    readonly redisUrl: string | null;
    readonly trustedProxies: number;
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
  /** Things that are probably mistakes but stop nothing. */
  readonly warnings: readonly string[];
}

type Environment = Readonly<Record<string, string | undefined>>;

/** @throws ConfigurationInvalid */
export function parseConfig(environment: Environment, options: { cwd: string }): Config {
  const problems: string[] = [];
  const given = readSecretFiles(withoutEmpty(environment), options.cwd, problems);
  const parsed = variables.safeParse(given);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) problems.push(`${String(issue.path[0])} ${issue.message}`);
  }
  const values = parsed.data ?? {};
  if ((values.AWS_ACCESS_KEY_ID === undefined) !== (values.AWS_SECRET_ACCESS_KEY === undefined)) {
    problems.push("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set together");
  }
  const provider = values.BACKUP_STORAGE_PROVIDER ?? "filesystem";
  if (provider !== "filesystem" && values.BACKUP_STORAGE_BUCKET === undefined) {
    problems.push(`BACKUP_STORAGE_BUCKET must be set when BACKUP_STORAGE_PROVIDER is ${provider}`);
  }
  if (values.BACKUP_AUTH_JWKS_URL !== undefined) {
    if (values.BACKUP_AUTH_SECRET !== undefined)
      problems.push("BACKUP_AUTH_SECRET and BACKUP_AUTH_JWKS_URL are both set; set one");
    if (values.BACKUP_AUTH_ISSUER === undefined)
      problems.push("BACKUP_AUTH_ISSUER must be set when BACKUP_AUTH_JWKS_URL is");
  }
  if (Number(values.PORT ?? 0) > 65_535) problems.push("PORT must be at most 65535");
  const path = (value: string): string => resolve(options.cwd, value);
  const pem = (name: "TEMPORAL_TLS_CERT_PATH" | "TEMPORAL_TLS_KEY_PATH"): string | undefined =>
    values[name] === undefined ? undefined : readFileOrProblem(name, path(values[name]), problems);
  const certificate = pem("TEMPORAL_TLS_CERT_PATH");
  const privateKey = pem("TEMPORAL_TLS_KEY_PATH");
  if (problems.length > 0) {
    throw new BackupError(
      "ConfigurationInvalid",
      `The configuration has ${problems.length} problem(s):\n- ${problems.join("\n- ")}`,
      { problems },
    );
  }
  const dataDir = path(values.BACKUP_DATA_DIR ?? ".wedsync");
  const wantsTls = values.TEMPORAL_TLS === true || values.TEMPORAL_API_KEY !== undefined || certificate !== undefined;
  return Object.freeze<Config>({
    sourceUrl: values.BACKUP_SOURCE_DATABASE_URL ?? null,
    controlUrl: values.BACKUP_DATABASE_URL ?? null,
    cataloguePath: values.BACKUP_CATALOGUE === undefined ? null : path(values.BACKUP_CATALOGUE),
    dataDir,
    encryptionKey: values.BACKUP_ENCRYPTION_KEY ?? null,
    storage: {
      provider,
      bucket:
        provider === "filesystem"
          ? path(values.BACKUP_STORAGE_BUCKET ?? resolve(dataDir, "repository"))
          : (values.BACKUP_STORAGE_BUCKET ?? ""),
      region: values.BACKUP_STORAGE_REGION ?? null,
      endpoint: values.BACKUP_STORAGE_ENDPOINT ?? null,
      accessKeyId: values.AWS_ACCESS_KEY_ID ?? null,
      secretAccessKey: values.AWS_SECRET_ACCESS_KEY ?? null,
    },
    mediaUrl:
      values.BACKUP_MEDIA_URL === undefined
        ? null
        : /^(s3|file):/.test(values.BACKUP_MEDIA_URL)
          ? values.BACKUP_MEDIA_URL
          : path(values.BACKUP_MEDIA_URL),
    temporal: {
      address: values.TEMPORAL_ADDRESS ?? null,
      namespace: values.TEMPORAL_NAMESPACE ?? "default",
      apiKey: values.TEMPORAL_API_KEY ?? null,
      tls: wantsTls
        ? { ...(certificate !== undefined && { certificate }), ...(privateKey !== undefined && { privateKey }) }
        : null,
      cliPath: values.TEMPORAL_CLI_PATH ?? null,
    },
    port: Number(values.PORT ?? 3000),
    facade: {
      databaseUrl: values.BACKUP_FACADE_DATABASE_URL ?? null,
      ipHashSalt: values.IP_HASH_SALT ?? null,
      redisUrl: values.REDIS_URL ?? null,
      trustedProxies: Number(values.BACKUP_TRUSTED_PROXIES ?? 0),
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
    warnings: unknownVariables(given),
  });
}

/** An empty variable is one that is not set: compose files and CI write them so. */
function withoutEmpty(environment: Environment): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== ""),
  );
}

function readSecretFiles(given: Record<string, string>, cwd: string, problems: string[]): Record<string, string> {
  for (const name of secretVariables) {
    const file = given[`${name}_FILE`];
    if (file === undefined) continue;
    if (given[name] !== undefined) problems.push(`${name} and ${name}_FILE are both set; set one`);
    const text = readFileOrProblem(`${name}_FILE`, resolve(cwd, file), problems);
    if (text !== undefined) given[name] = text.trim();
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
  const known = new Set([
    ...Object.keys(variables.shape),
    ...secretVariables.map((name) => `${name}_FILE`),
    "BACKUP_VERIFICATION_KEY",
    "BACKUP_NEW_ENCRYPTION_KEY",
  ]);
  return Object.keys(given)
    .filter((name) => name.startsWith("BACKUP_") && !known.has(name))
    .map((name) => `${name} is not a variable of this product; is it misspelt?`);
}
