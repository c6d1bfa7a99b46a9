// Says what it was given, and nothing about CORS.
export default {
  fetch: (request: Request) => {
    const { pathname, search, host } = new URL(request.url);
    return Response.json({
      path: pathname + search,
      host,
      method: request.method,
      headers: Object.fromEntries(request.headers),
    });
  },
};
