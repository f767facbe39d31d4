// Server-side request forgery: no form of an address that is not on the public internet gets through.
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { isPublicAddress, resolveTarget, type Resolve } from "../../../src/adapters/notification/target-address.ts";
import { readWebhookUrl } from "../../../src/domain/notification-target.ts";

const refused = [
  "0.0.0.0",
  "0.1.2.3",
  "10.0.0.1",
  "10.255.255.255",
  "100.64.0.1",
  "100.100.100.200",
  "100.127.255.255",
  "127.0.0.1",
  "127.255.255.254",
  "169.254.0.1",
  "169.254.169.254",
  "172.16.0.1",
  "172.31.255.255",
  "192.0.0.192",
  "192.0.2.1",
  "192.88.99.1",
  "192.168.0.1",
  "198.18.0.1",
  "198.19.255.255",
  "198.51.100.1",
  "203.0.113.1",
  "224.0.0.1",
  "239.255.255.255",
  "240.0.0.1",
  "255.255.255.255",
  "::",
  "::1",
  "::127.0.0.1",
  "::ffff:127.0.0.1",
  "::ffff:8.8.8.8",
  "::ffff:a9fe:a9fe",
  "64:ff9b::a9fe:a9fe",
  "64:ff9b:1::1",
  "100::1",
  "2001::1",
  "2001:0:4136:e378:8000:63bf:3fff:fdd2",
  "2001:db8::1",
  "2002:7f00:1::",
  "3fff::1",
  "fc00::1",
  "fd00:ec2::254",
  "fe80::1",
  "fe80::1%eth0",
  "fec0::1",
  "ff02::1",
  "2606:4700::1%eth0",
  "",
  "example.org",
  "1.2.3",
];
const taken = [
  "1.1.1.1",
  "8.8.8.8",
  "9.255.255.255",
  "11.0.0.0",
  "100.63.255.255",
  "100.128.0.0",
  "126.255.255.255",
  "128.0.0.1",
  "172.15.255.255",
  "172.32.0.0",
  "192.167.255.255",
  "192.169.0.0",
  "198.17.255.255",
  "198.20.0.0",
  "223.255.255.255",
  "2606:4700:4700::1111",
  "2a00:1450:4001:830::200e",
];

test.each(refused)("%s is not public", (address) => expect(isPublicAddress(address)).toBe(false));
test.each(taken)("%s is public", (address) => expect(isPublicAddress(address)).toBe(true));

const never: Resolve = () => Promise.reject(new Error("an address was looked up as a name"));
const refusal = { code: "NotificationTargetRefused" };
const undelivered = { code: "NotificationUndelivered" };

/** Every way of writing an IPv4 address that the URL standard knows. */
function formsOf(bytes: readonly number[]): string[] {
  const [a = 0, b = 0, c = 0, d = 0] = bytes;
  const whole = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
  const hex = (byte: number): string => `0x${byte.toString(16)}`;
  const octal = (byte: number): string => `0${byte.toString(8)}`;
  const pair = (high: number, low: number): string => ((high << 8) | low).toString(16);
  return [
    bytes.join("."),
    `${bytes.join(".")}.`,
    String(whole),
    `0x${whole.toString(16)}`,
    `0X${whole.toString(16).toUpperCase()}`,
    `0${whole.toString(8)}`,
    bytes.map(hex).join("."),
    bytes.map(octal).join("."),
    `${a}.${((b << 16) | (c << 8) | d) >>> 0}`,
    `${a}.${b}.${(c << 8) | d}`,
    `${hex(a)}.${octal(b)}.${c}.${hex(d)}`,
    bytes.map((byte) => Array.from(String(byte), (digit) => `%3${digit}`).join("")).join("."),
    bytes
      .map((byte) => Array.from(String(byte), (digit) => String.fromCodePoint(0xff10 + Number(digit))).join(""))
      .join("。"),
    `[::ffff:${bytes.join(".")}]`,
    `[::ffff:${pair(a, b)}:${pair(c, d)}]`,
    `[0:0:0:0:0:FFFF:${pair(a, b)}:${pair(c, d)}]`,
    `[::${bytes.join(".")}]`,
    `[64:ff9b::${bytes.join(".")}]`,
    `[2002:${pair(a, b)}:${pair(c, d)}::1]`,
  ];
}

const privateAddress = fc.oneof(
  fc.tuple(fc.constant(127), fc.nat(255), fc.nat(255), fc.nat(255)),
  fc.tuple(fc.constant(10), fc.nat(255), fc.nat(255), fc.nat(255)),
  fc.tuple(fc.constant(172), fc.integer({ min: 16, max: 31 }), fc.nat(255), fc.nat(255)),
  fc.tuple(fc.constant(192), fc.constant(168), fc.nat(255), fc.nat(255)),
  fc.tuple(fc.constant(169), fc.constant(254), fc.nat(255), fc.nat(255)),
  fc.tuple(fc.constant(100), fc.integer({ min: 64, max: 127 }), fc.nat(255), fc.nat(255)),
  fc.tuple(fc.integer({ min: 224, max: 255 }), fc.nat(255), fc.nat(255), fc.nat(255)),
  fc.tuple(fc.constant(0), fc.nat(255), fc.nat(255), fc.nat(255)),
);

test("a private address is refused in whatever form it is written", async () => {
  await fc.assert(
    fc.asyncProperty(privateAddress, async (bytes) => {
      for (const form of formsOf(bytes)) {
        const url = readWebhookUrl(`https://${form}/hook`, []);
        await expect(resolveTarget(url, { allowedHosts: [], resolve: never })).rejects.toMatchObject(refusal);
      }
    }),
    { numRuns: 200 },
  );
});

test("a public address in the same forms is the same address", async () => {
  const url = new URL("https://0x08.010.2056/hook");
  await expect(resolveTarget(url, { allowedHosts: [], resolve: never })).resolves.toEqual({
    address: "8.8.8.8",
    family: 4,
  });
});

describe("a name", () => {
  const answers =
    (...addresses: string[]): Resolve =>
    async () =>
      addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
  const url = new URL("https://hooks.example.org/hook");

  test("is judged by all its addresses, not by the first", async () => {
    for (const bad of ["127.0.0.1", "10.1.2.3", "::1", "fd00::1"]) {
      for (const order of [answers("8.8.8.8", bad), answers(bad, "8.8.8.8")])
        await expect(resolveTarget(url, { allowedHosts: [], resolve: order })).rejects.toMatchObject(refusal);
    }
  });

  test("is refused without telling its address", async () => {
    const refusing = resolveTarget(url, { allowedHosts: [], resolve: answers("10.1.2.3") });
    await expect(refusing).rejects.not.toThrow(/10\.1/);
  });

  test("is asked once, and its address is what is called", async () => {
    let asked = 0;
    const resolve: Resolve = async () => {
      asked += 1;
      return [{ address: asked === 1 ? "8.8.8.8" : "127.0.0.1", family: 4 }];
    };
    await expect(resolveTarget(url, { allowedHosts: [], resolve })).resolves.toEqual({ address: "8.8.8.8", family: 4 });
    expect(asked).toBe(1);
  });

  test("without an address is worth another attempt", async () => {
    const resolve: Resolve = () => Promise.reject(new Error("ENOTFOUND"));
    await expect(resolveTarget(url, { allowedHosts: [], resolve })).rejects.toMatchObject(undelivered);
    await expect(resolveTarget(url, { allowedHosts: [], resolve: answers() })).rejects.toMatchObject(undelivered);
  });

  test("that an operator allows may lead home, and only under that name and port", async () => {
    const resolve = answers("127.0.0.1");
    const at = (text: string, allowedHosts: string[]) => resolveTarget(new URL(text), { allowedHosts, resolve });
    await expect(at("https://hooks.internal/x", ["hooks.internal"])).resolves.toMatchObject({ address: "127.0.0.1" });
    await expect(at("https://hooks.internal:8443/x", ["hooks.internal:8443"])).resolves.toBeDefined();
    await expect(at("https://hooks.internal:9000/x", ["hooks.internal:8443"])).rejects.toMatchObject(refusal);
    await expect(at("https://evil-hooks.internal/x", ["hooks.internal"])).rejects.toMatchObject(refusal);
  });
});

test.each([
  "http://example.org/hook",
  "ftp://example.org",
  "file:///etc/passwd",
  "https://user:password@example.org/",
  "https://example.org/#fragment",
  "https://exa\nmple.org/",
  "https://example.org/\r\nX-Evil: 1",
  "https:\\\\example.org",
  " https://example.org",
  "example.org",
  "",
  `https://example.org/${"x".repeat(3_000)}`,
])("%j is no webhook's URL", (text) => {
  expect(() => readWebhookUrl(text, [])).toThrow(expect.objectContaining({ code: "NotificationChannelInvalid" }));
});
