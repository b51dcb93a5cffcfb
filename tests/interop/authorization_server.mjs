// node-oidc-provider on loopback, as a team would configure it for one API, and nothing of ours in
// what it issues.
//
//   start     prints one line of JSON, once it listens: where everything is, and the clients' secrets,
//             which are made at each start, as the keys are
//   resource  the resource indicator (RFC 8707) that a client names decides what it gets: a token
//             under this or that algorithm, a token of another API, an opaque one, an encrypted one
//   control   POST /control/rotate {"keep_previous": true|false}   a new key for each algorithm
//             GET  /control/hits                                   how often each path was asked for
//   end       on SIGTERM, and when its standard input closes: no orphan outlives the tests
//
// The provider takes its keys once, at construction, and its author means it so. Rotating therefore
// is what a rolling restart is: a new provider, the new keys first in its set (the first that fits
// signs), and from then on it answers behind the same socket. Requests under way end where they began.

import { generateKeyPair, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { promisify } from "node:util";

// The provider prints notices about its quick-start defaults; standard output is for our one line.
console.info = console.error;
const { Provider, errors } = await import("oidc-provider");

const ORDERS = "https://orders.example.com/";
const BILLING = "https://billing.example.com/";
const ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"];
const LIFETIME = 300;
const REDIRECT_URI = "http://127.0.0.1/callback";

const secret = () => randomBytes(32).toString("base64url");
const newKeyPair = promisify(generateKeyPair);

// Bare keys: kid, use and alg are left to the provider. It gives the RSA and the Ed25519 key no alg,
// since each serves two algorithms.
async function newKeys() {
  const pairs = await Promise.all([
    newKeyPair("rsa", { modulusLength: 2048 }),
    newKeyPair("ec", { namedCurve: "P-256" }),
    newKeyPair("ed25519"),
  ]);
  return pairs.map(({ privateKey }) => privateKey.export({ format: "jwk" }));
}

const reader = await newKeyPair("rsa", { modulusLength: 2048 });

const jwt = (audience, sign, encrypt) => ({
  audience,
  scope: "read:orders write:orders",
  accessTokenFormat: "jwt",
  accessTokenTTL: LIFETIME,
  jwt: encrypt ? { sign, encrypt } : { sign },
});

const resources = new Map([
  ...ALGORITHMS.map((alg) => [`urn:orders:${alg}`, jwt(ORDERS, { alg })]),
  ["urn:billing", jwt(BILLING, { alg: "RS256" })],
  ["urn:orders:opaque", { ...jwt(ORDERS, { alg: "RS256" }), accessTokenFormat: "opaque" }],
  [
    "urn:orders:encrypted",
    jwt(ORDERS, { alg: "RS256" }, { alg: "RSA-OAEP-256", enc: "A256GCM", key: reader.publicKey }),
  ],
]);

const machine = {
  client_id: "machine",
  client_secret: secret(),
  grant_types: ["client_credentials"],
  response_types: [],
  redirect_uris: [],
  introspection_signed_response_alg: "RS256",
};
const app = {
  client_id: "app",
  application_type: "native",
  token_endpoint_auth_method: "none",
  grant_types: ["authorization_code"],
  response_types: ["code"],
  redirect_uris: [REDIRECT_URI],
  userinfo_signed_response_alg: "RS256",
};

const cookieKeys = [secret()];

function provider(issuer, keys) {
  return new Provider(issuer, {
    jwks: { keys },
    clients: [machine, app],
    cookies: { keys: cookieKeys },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: true },
      dPoP: { enabled: true },
      encryption: { enabled: true },
      introspection: { enabled: true },
      jwtIntrospection: { enabled: true },
      jwtUserinfo: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo(_context, indicator) {
          const resource = resources.get(indicator);
          if (!resource) throw new errors.InvalidTarget();
          return resource;
        },
      },
    },
  });
}

const hits = {};
let keys = { current: await newKeys(), previous: [] };
let answer;

async function rotate(keepPrevious) {
  keys = { current: await newKeys(), previous: keepPrevious ? keys.current : [] };
  answer = provider(issuer, [...keys.current, ...keys.previous]).callback();
}

async function readJson(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString("utf8"));
}

async function control(request, path) {
  if (request.method === "GET" && path === "/control/hits") return hits;
  if (request.method === "POST" && path === "/control/rotate") {
    const { keep_previous: keepPrevious } = await readJson(request);
    if (typeof keepPrevious === "boolean") {
      await rotate(keepPrevious);
      return {};
    }
  }
  return undefined;
}

const server = createServer(async (request, response) => {
  const path = request.url.split("?")[0];
  if (!path.startsWith("/control/")) {
    hits[path] = (hits[path] ?? 0) + 1;
    answer(request, response);
    return;
  }
  try {
    const result = await control(request, path);
    response.writeHead(result ? 200 : 400, { "content-type": "application/json" });
    response.end(JSON.stringify(result ?? { error: "no such control" }));
  } catch (error) {
    console.error(error);
    response.writeHead(500).end();
  }
});
server.keepAliveTimeout = 0; // a client's idle connection is never closed under its next request

await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;
answer = provider(issuer, keys.current).callback();

process.on("SIGTERM", () => process.exit(0));
process.stdin.on("close", () => process.exit(0)).resume();

console.log(
  JSON.stringify({
    issuer,
    jwks_uri: `${issuer}/jwks`,
    token_endpoint: `${issuer}/token`,
    authorization_endpoint: `${issuer}/auth`,
    userinfo_endpoint: `${issuer}/me`,
    introspection_endpoint: `${issuer}/token/introspection`,
    control: `${issuer}/control`,
    audience: ORDERS,
    lifetime: LIFETIME,
    algorithms: ALGORITHMS,
    clients: {
      machine: { client_id: machine.client_id, client_secret: machine.client_secret },
      app: { client_id: app.client_id, redirect_uri: REDIRECT_URI },
    },
  }),
);
