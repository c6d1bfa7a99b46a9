// Not named in config.toml, so verify_jwt is hosted's default: true.
export default { fetch: () => new Response("in") };
