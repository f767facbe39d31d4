// What is wrong with variables that are each of the right form: values that contradict each other, or do nothing, and names
// that nobody reads.
import { secretVariables, variables, type Variables } from "./variables.ts";

type Provider = NonNullable<Variables["BACKUP_STORAGE_PROVIDER"]>;

export function findContradictions(values: Variables, provider: Provider): string[] {
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

/** Probably a mistake, but one that stops nothing. */
export function findWithoutEffect(values: Variables, provider: Provider): string[] {
  return provider === "filesystem" && values.BACKUP_STORAGE_REGION !== undefined
    ? ["BACKUP_STORAGE_REGION has no effect: BACKUP_STORAGE_PROVIDER is filesystem"]
    : [];
}

export function findMisspelt(given: Record<string, string>): string[] {
  const known = new Set([...Object.keys(variables.shape), ...secretVariables.map((name) => `${name}_FILE`)]);
  return Object.keys(given)
    .filter((name) => name.startsWith("BACKUP_") && !known.has(name))
    .map((name) => `${name} is not a variable of this product; is it misspelt?`);
}
