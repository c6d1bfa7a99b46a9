// Which addresses an output may have: the provider names them, so none of them is trusted.

import { expect, test } from "vitest";
import { isAllowedOutput } from "../../shared/backend/output.ts";

const allowed = (url: string, trustedOrigin: string | null = null) =>
  isAllowedOutput(new URL(url), trustedOrigin);

test.each([
  "https://cdn.example.com/picture.png",
  "https://cdn.example.com:443/picture.png?signature=a%20b",
  "https://d1q70pf5vjeyhc.cloudfront.net/predictions/a/1.jpeg",
  "https://bücher.example/1.png",
  "https://localhost.example.com/1.png",
  "https://10.example.com/1.png",
])("%s is allowed", (url) => {
  expect(allowed(url)).toBe(true);
});

test.each([
  // Not https, or not its port.
  "http://cdn.example.com/1.png",
  "ftp://cdn.example.com/1.png",
  "file:///etc/passwd",
  "data:image/png;base64,AAAA",
  "blob:https://cdn.example.com/0b7d1c7e",
  "https://cdn.example.com:8443/1.png",
  "https://cdn.example.com:22/1.png",
  // Credentials.
  "https://user@cdn.example.com/1.png",
  "https://user:password@cdn.example.com/1.png",
  // IPv4 in every spelling that a URL knows, also public ones.
  "https://127.0.0.1/1.png",
  "https://127.1/1.png",
  "https://2130706433/1.png",
  "https://0x7f000001/1.png",
  "https://0x7f.0.0.1/1.png",
  "https://0177.0.0.1/1.png",
  "https://127.0.0.1./1.png",
  "https://127.0.0.1../1.png",
  "https://169.254.169.254/latest/meta-data/",
  "https://10.0.0.8/1.png",
  "https://8.8.8.8/1.png",
  "https://0/1.png",
  "https://１２７.0.0.1/1.png",
  // IPv6.
  "https://[::1]/1.png",
  "https://[::ffff:127.0.0.1]/1.png",
  "https://[fd00::1]/1.png",
  "https://[2001:db8::1]/1.png",
  // Names that resolve inside somebody's network.
  "https://localhost/1.png",
  "https://LOCALHOST/1.png",
  "https://localhost./1.png",
  "https://localhost../1.png",
  "https://app.localhost/1.png",
  "https://db/1.png",
  "https://printer.local/1.png",
  "https://printer.local./1.png",
  "https://metadata.google.internal/computeMetadata/v1/",
  "https://wiki.intranet/1.png",
  "https://nas.lan/1.png",
  "https://nas.home/1.png",
  "https://mail.corp/1.png",
])("%s is refused", (url) => {
  expect(allowed(url)).toBe(false);
});

test("the stand-in's exact origin is trusted, whatever it is", () => {
  const trusted = "http://127.0.0.1:4100";
  expect(allowed("http://127.0.0.1:4100/outputs/1.png", trusted)).toBe(true);
});

test.each([
  "https://127.0.0.1:4100/1.png",
  "http://127.0.0.1:4101/1.png",
  "http://127.0.0.1:41001/1.png",
  "http://127.0.0.1/1.png",
  "http://127.0.0.2:4100/1.png",
  "http://localhost:4100/1.png",
  "http://127.0.0.1:4100@evil.example.com/1.png",
  "http://user@127.0.0.1:4100/1.png",
  "blob:http://127.0.0.1:4100/0b7d1c7e",
])("beside the stand-in's origin %s is still refused", (url) => {
  expect(allowed(url, "http://127.0.0.1:4100")).toBe(false);
});
