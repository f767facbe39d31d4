// Every variable that the product reads: its form, and in `meta.description` what the README's table prints.
import { z } from "zod";

/** A form that is a URL, said without the value: it may hold a password. */
const url = (form: RegExp, message: string) =>
  z.string().refine((value) => form.test(value) && URL.canParse(value) && new URL(value).hash === "", message);
const postgresUrl = url(
  /^postgres(ql)?:\/\/\S+$/,
  "must be a URL like postgres://user:password@host:5432/database (special characters in the password as %XX)",
);
const httpUrl = url(/^https?:\/\/[^\s/]+\/?$/, "must be a URL like https://host:9000, without a path");
const isPort = (text: string): boolean => /^\d{1,5}$/.test(text) && Number(text) <= 65_535;
const hostPort = z
  .string()
  .refine(
    (value) => /^([^\s/:@]+|\[[0-9a-fA-F:]+\]):\d+$/.test(value) && isPort(value.slice(value.lastIndexOf(":") + 1)),
    "must be host:port, without a scheme",
  );
const text = (description: string) => z.string().optional().meta({ description });

export const variables = z.object({
  BACKUP_SOURCE_DATABASE_URL: postgresUrl
    .optional()
    .meta({ description: "The Postgres to protect. Unset: an embedded one with sample weddings." }),
  BACKUP_DATABASE_URL: postgresUrl
    .optional()
    .meta({ description: "Where the control tables live (schema `backup`). Default: the source." }),
  BACKUP_SCRATCH_DATABASE_URL: postgresUrl.optional().meta({
    description:
      "Any database of the server where restore tests make theirs (needs CREATEDB). Default: BACKUP_DATABASE_URL.",
  }),
  BACKUP_CATALOGUE: text("JSON or YAML file that says how your schema belongs to organizations. Default: WedSync's."),
  BACKUP_DATA_DIR: text("Folder for local servers and the local repository. Default: `.wedsync`."),
  BACKUP_ENCRYPTION_KEY: text(
    "32 random bytes as base64 or hex (`openssl rand -base64 32`), or a passphrase of 16 characters or more.",
  ),
  BACKUP_NEW_ENCRYPTION_KEY: text("The next key, for `keys rotate` alone."),
  BACKUP_VERIFICATION_KEY: text(
    "One organization's verification key (`keys verification`): `verify` needs no other key then.",
  ),
  BACKUP_STORAGE_PROVIDER: z
    .enum(["filesystem", "aws", "gcp", "azure"], "must be filesystem or aws (gcp and azure are not available yet)")
    .optional()
    .meta({
      description: "`filesystem` (default) or `aws` (S3 and S3-compatible); `gcp` and `azure` are not available yet.",
    }),
  BACKUP_STORAGE_BUCKET: text("The bucket; for `filesystem` a folder. Default: `repository` in the data folder."),
  BACKUP_STORAGE_REGION: text("The bucket's region. Default: AWS_REGION, or us-east-1."),
  BACKUP_STORAGE_ENDPOINT: httpUrl.optional().meta({ description: "For S3-compatible stores: `https://host:9000`." }),
  BACKUP_STORAGE_SSE: z.enum(["AES256", "aws:kms"], "must be AES256 or aws:kms").optional().meta({
    description:
      "Server-side encryption that is asked for with each upload, in addition to ours. Unset: as the bucket does by default.",
  }),
  BACKUP_MEDIA_URL: z
    .string()
    .regex(
      /^(s3:\/\/[^\s/]+|file:\/\/\/|(?![a-z][a-z0-9+.-]*:\/\/))/i,
      "must be a folder, file:///… or s3://bucket/prefix",
    )
    .optional()
    .meta({ description: "Where the files that rows name are: a folder, `file:///…` or `s3://bucket/prefix`." }),
  RECOVER_DATABASE_URL: postgresUrl
    .optional()
    .meta({ description: "Where `recover` puts the rows; unlike --to-database, other users can't see it." }),
  RESTORE_TARGET_DATABASE_URL: postgresUrl.optional().meta({
    description:
      "The other database that `restore` writes into; unlike --target-database-url, other users can't see it.",
  }),
  AWS_ACCESS_KEY_ID: text("Credentials of the bucket; unset: the AWS SDK's own chain."),
  AWS_SECRET_ACCESS_KEY: text("Goes with it."),
  AWS_SESSION_TOKEN: text("Goes with temporary keys."),
  AWS_REGION: text("The region where BACKUP_STORAGE_REGION is unset."),
  IP_HASH_SALT: z
    .string()
    .min(16, "must have at least 16 characters")
    .optional()
    .meta({ description: "Keys the hashes of IP addresses in the audit log." }),
  REDIS_URL: url(/^rediss?:\/\/\S+$/, "must be a URL like redis://host:6379")
    .optional()
    .meta({ description: "Shared rate limits. Unset: Postgres." }),
  TEMPORAL_ADDRESS: hostPort
    .optional()
    .meta({ description: "Your Temporal cluster. Unset: a development server on this machine." }),
  TEMPORAL_NAMESPACE: text("Default: `default`."),
  TEMPORAL_API_KEY: text("For Temporal Cloud; turns TLS on."),
  TEMPORAL_TLS: z
    .stringbool("must be true or false")
    .optional()
    .meta({ description: "`true` to connect with TLS without an API key." }),
  TEMPORAL_TLS_CLIENT_CERT_PATH: text("PEM file of the client's certificate, for mutual TLS."),
  TEMPORAL_TLS_CLIENT_KEY_PATH: text("PEM file of its key."),
  TEMPORAL_TLS_SERVER_CA_CERT_PATH: text(
    "PEM file of the authority that the server's certificate is from, if a private one.",
  ),
  TEMPORAL_TLS_SERVER_NAME: text("The name in the server's certificate, if not the address's."),
  TEMPORAL_CLI_PATH: text("The `temporal` program that runs the development server."),
  BACKUP_FACADE_DATABASE_URL: postgresUrl.optional().meta({
    description:
      "The control tables by a login of the facade's own, a member of `wedsync_backup_facade`. Default: BACKUP_DATABASE_URL's login, which takes that role for each transaction.",
  }),
  BACKUP_AUTH_SECRET: z.string().min(32, "must have at least 32 characters").optional().meta({
    description: "The secret that signs admins' tokens (HS256), as in Supabase. Embedded demonstration: made once.",
  }),
  BACKUP_AUTH_JWKS_URL: url(/^https?:\/\/\S+$/, "must start with http:// or https://")
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
  BACKUP_METRICS_PORT: z.string().refine(isPort, "must be a port number, 0 to 65535").optional().meta({
    description: "Where the facade tells Prometheus its figures (`/metrics`); they name organizations. Unset: nowhere.",
  }),
  BACKUP_WORKER_METRICS_PORT: z
    .string()
    .refine(isPort, "must be a port number, 0 to 65535")
    .optional()
    .meta({ description: "Where a worker tells Prometheus Temporal's own figures (`/metrics`). Unset: nowhere." }),
  OTEL_EXPORTER_OTLP_ENDPOINT: url(/^https?:\/\/\S+$/, "must start with http:// or https://")
    .optional()
    .meta({
      description:
        "An OpenTelemetry collector, as `http://collector:4318`, that is sent traces by OTLP/HTTP; other `OTEL_…` variables as OpenTelemetry has them. Unset: nothing is traced.",
    }),
  BACKUP_SMTP_URL: url(
    /^smtps?:\/\/\S+$/,
    "must be a URL like smtps://user:password@host:465 (special characters as %XX)",
  )
    .optional()
    .meta({
      description:
        "The mail server for notifications, for the workers: `smtps://…`, or `smtp://…` which must offer STARTTLS unless it is this machine.",
    }),
  BACKUP_SMTP_FROM: z
    .string()
    .regex(/^[^\p{Cc}\s<>]+@[^\p{Cc}\s<>]+$/u, "must be a plain address like backup@example.org")
    .optional()
    .meta({ description: "The sender of that mail." }),
  BACKUP_NOTIFY_HOSTS: z
    .string()
    .regex(/^[^\s,/@]+(,[^\s,/@]+)*$/, "must be a list like hooks.internal,localhost:8080")
    .optional()
    .meta({
      description:
        "Hosts (`name` or `name:port`) that webhooks may reach by http and at private addresses. Unset: https to the public internet only.",
    }),
  PORT: z.string().refine(isPort, "must be a port number, 0 to 65535").optional().meta({
    description: "The facade's port. Default: 3000.",
  }),
});

export type Variables = z.infer<typeof variables>;

/** These may also be given as NAME_FILE, the path of a file that holds the value. */
export const secretVariables = [
  "BACKUP_ENCRYPTION_KEY",
  "BACKUP_NEW_ENCRYPTION_KEY",
  "BACKUP_VERIFICATION_KEY",
  "BACKUP_SOURCE_DATABASE_URL",
  "BACKUP_DATABASE_URL",
  "BACKUP_SCRATCH_DATABASE_URL",
  "RECOVER_DATABASE_URL",
  "RESTORE_TARGET_DATABASE_URL",
  "AWS_SECRET_ACCESS_KEY",
  "IP_HASH_SALT",
  "REDIS_URL",
  "TEMPORAL_API_KEY",
  "BACKUP_FACADE_DATABASE_URL",
  "BACKUP_AUTH_SECRET",
  "BACKUP_SMTP_URL",
] as const;
