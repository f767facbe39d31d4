// Tokens: what is taken and what is refused.
import { createHmac, generateKeyPairSync } from "node:crypto";
import { createServer, type Server } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { exportJWK, SignJWT, type JWTPayload } from "jose";
import { createAuthenticator, type AuthenticationOptions } from "../../../src/facade/authenticator.ts";

const secret = "a secret of at least thirty-two characters";
const options: AuthenticationOptions = {
  secret,
  jwksUrl: null,
  issuer: "wedsync-backup",
  audience: "wedsync-backup",
  roleClaim: "role",
  organizationClaim: "organization_id",
  roles: null,
};
const good = { role: "admin", organization_id: "org-1" };

function sign(
  claims: JWTPayload,
  change: { key?: string; alg?: string; iss?: string; aud?: string; exp?: number | string } = {},
) {
  return new SignJWT(claims)
    .setProtectedHeader({ alg: change.alg ?? "HS256" })
    .setSubject("anna")
    .setIssuer(change.iss ?? "wedsync-backup")
    .setAudience(change.aud ?? "wedsync-backup")
    .setExpirationTime(change.exp ?? "1h")
    .sign(new TextEncoder().encode(change.key ?? secret));
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
const now = () => Math.floor(Date.now() / 1000);

describe("with a shared secret", () => {
  const authenticate = createAuthenticator(options);

  test("a token says who asks", async () => {
    const { principal, expiresAtMs } = await authenticate(await sign(good));
    expect(principal).toEqual({ subject: "anna", role: "admin", organizationId: "org-1" });
    expect(expiresAtMs).toBeGreaterThan(Date.now());
  });

  test("a platform admin has no organization, whatever else the token says", async () => {
    const { principal } = await authenticate(await sign({ role: "platform", organization_id: "org-1" }));
    expect(principal.organizationId).toBeNull();
  });

  test("roles can be called otherwise, and lie deeper", async () => {
    const mapped = createAuthenticator({
      ...options,
      roleClaim: "app_metadata.role",
      organizationClaim: "app_metadata.organization",
      roles: { editor: "operator" },
    });
    const claims = (role: string) => ({ app_metadata: { role, organization: "org-2" } });
    expect((await mapped(await sign(claims("editor")))).principal).toMatchObject({
      role: "operator",
      organizationId: "org-2",
    });
    // Where roles are mapped, our own names mean nothing.
    for (const role of ["owner", "constructor", "__proto__"])
      await expect(mapped(await sign(claims(role)))).rejects.toMatchObject({ code: "Unauthenticated" });
  });

  const refused: [string, () => Promise<string> | string][] = [
    ["nothing", () => ""],
    ["words", () => "not.a.token"],
    ["one that is expired", () => sign(good, { exp: now() - 60 })],
    ["one for another audience", () => sign(good, { aud: "another" })],
    ["one of another issuer", () => sign(good, { iss: "another" })],
    ["one by another key", () => sign(good, { key: "another secret of thirty-two characters" })],
    ["one by another algorithm with the right key", () => sign(good, { alg: "HS512" })],
    ["one without a role", () => sign({ organization_id: "org-1" })],
    ["one with a role that is none", () => sign({ ...good, role: "root" })],
    ["one with many roles", () => sign({ ...good, role: ["admin"] as never })],
    ["one without an organization", () => sign({ role: "owner" })],
    ["one with an organization that can't be one", () => sign({ role: "owner", organization_id: "a\u0000b" })],
    [
      "one that never expires",
      () =>
        new SignJWT(good)
          .setProtectedHeader({ alg: "HS256" })
          .setSubject("anna")
          .setIssuer("wedsync-backup")
          .setAudience("wedsync-backup")
          .sign(new TextEncoder().encode(secret)),
    ],
    [
      "one with alg none",
      () =>
        `${encode({ alg: "none" })}.${encode({ ...good, sub: "anna", iss: "wedsync-backup", aud: "wedsync-backup", exp: now() + 60 })}.`,
    ],
    ["one that is too long", () => `${"a".repeat(9_000)}.b.c`],
  ];
  test.each(refused)("refuses %s", async (_what, make) => {
    await expect(authenticate(await make())).rejects.toMatchObject({ code: "Unauthenticated" });
  });

  test("a clock that is a little late is forgiven", async () => {
    expect((await authenticate(await sign(good, { exp: now() - 10 }))).principal.subject).toBe("anna");
  });

  test("a refusal never repeats the token", async () => {
    const token = await sign(good, { exp: now() - 60 });
    const error = (await authenticate(token).catch((each: unknown) => each)) as Error;
    expect(error.message).not.toContain(token.slice(0, 20));
  });
});

describe("with an issuer's keys", () => {
  let server: Server;
  let url: string;
  let fetched = 0;
  const first = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const second = generateKeyPairSync("ec", { namedCurve: "P-256" });
  let published: { key: (typeof first)["publicKey"]; kid: string; alg: string }[] = [
    { key: first.publicKey, kid: "one", alg: "RS256" },
  ];
  let status = 200;

  beforeAll(async () => {
    server = createServer((_request, response) => {
      fetched += 1;
      void Promise.all(
        published.map(async ({ key, kid, alg }) => ({ ...(await exportJWK(key)), kid, alg, use: "sig" })),
      ).then((keys) =>
        response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify({ keys })),
      );
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`;
  });
  afterAll(() => new Promise<void>((resolve) => server.close(() => resolve())));

  const issuer = "https://issuer.example";
  const create = () => createAuthenticator({ ...options, secret: null, jwksUrl: url, issuer });
  const signBy = (pair: { privateKey: (typeof first)["privateKey"] }, kid: string, alg: string) =>
    new SignJWT(good)
      .setProtectedHeader({ alg, kid })
      .setSubject("anna")
      .setIssuer(issuer)
      .setAudience("wedsync-backup")
      .setExpirationTime("1h")
      .sign(pair.privateKey);

  test("takes what they signed, and fetches them once", async () => {
    const authenticate = create();
    const before = fetched;
    for (let n = 0; n < 5; n++)
      expect((await authenticate(await signBy(first, "one", "RS256"))).principal.subject).toBe("anna");
    expect(fetched - before).toBe(1);
  });

  test("finds a key that came later, and refuses one that is not published", async () => {
    published = [{ key: first.publicKey, kid: "one", alg: "RS256" }];
    await expect(create()(await signBy(second, "two", "ES256"))).rejects.toMatchObject({ code: "Unauthenticated" });
    published.push({ key: second.publicKey, kid: "two", alg: "ES256" });
    expect((await create()(await signBy(second, "two", "ES256"))).principal.role).toBe("admin");
  });

  test("refuses a token that uses the public key as a secret", async () => {
    const pem = first.publicKey.export({ type: "spki", format: "pem" }) as string;
    const claims = { ...good, sub: "anna", iss: issuer, aud: "wedsync-backup", exp: now() + 60 };
    const content = `${encode({ alg: "HS256", kid: "one" })}.${encode(claims)}`;
    const forged = `${content}.${createHmac("sha256", pem).update(content).digest("base64url")}`;
    await expect(create()(forged)).rejects.toMatchObject({ code: "Unauthenticated" });
  });

  test("says that it can't tell when the keys can't be fetched", async () => {
    status = 500;
    try {
      await expect(create()(await signBy(first, "one", "RS256"))).rejects.toMatchObject({
        code: "IdentityProviderUnreachable",
      });
    } finally {
      status = 200;
    }
  });
});
