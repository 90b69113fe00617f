const html = (text: unknown): string =>
  String(text ?? '').replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

interface Operation {
  readonly summary?: string;
  readonly description?: string;
  readonly tags?: readonly string[];
}

/** A page for people of an OpenAPI document: what there is, and where the document itself lies. No script, no style. */
export function apiPage(document: {
  readonly paths?: object;
  readonly info: { readonly version: string };
}): string {
  const rows = Object.entries(document.paths ?? {}).flatMap(([path, methods]) =>
    Object.entries((methods ?? {}) as Record<string, Operation>).map(
      ([method, operation]) =>
        `<tr><td>${html(operation.tags?.[0])}</td><td><code>${html(method.toUpperCase())}</code></td>` +
        `<td><code>${html(path)}</code></td><td>${html(operation.summary)}. ${html(operation.description)}</td></tr>`,
    ),
  );
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Myelin: HTTP API</title>
<h1>Myelin ${html(document.info.version)}: HTTP API</h1>
<p>Requests carry <code>Authorization: Bearer TOKEN</code>. Every answer is
<code>{"status", "message", "data"}</code>, with <code>code</code> and <code>hint</code> on an error.
The whole description, for programs: <a href="/api/openapi.json">openapi.json</a>.
Calls and events in real time go over Socket.IO, or WebSocket at <code>/ws</code>.</p>
<table>
<tr><th>about</th><th>method</th><th>path</th><th>what</th></tr>
${rows.join('\n')}
</table>
</html>
`;
}
