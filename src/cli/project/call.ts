import { type GatewayAddress, watching } from './gateway.ts';

/**
 * Calls `OBJECT.METHOD` or `FUNCTION`; prints what it returns as JSON. One call is no tenure: it passes beside an
 * application of the same token that operates, and nothing it started ends when this process does.
 */
export function call(
  target: string,
  args: Record<string, unknown> | unknown[],
  options: GatewayAddress & { project?: string },
): Promise<void> {
  return watching(options, async (client) => {
    const dot = target.indexOf('.');
    const value = await client.call(dot < 0 ? target : target.slice(dot + 1), args, {
      ...(dot < 0 ? {} : { object: target.slice(0, dot) }),
      ...(options.project === undefined ? {} : { project: options.project }),
    });
    process.stdout.write(`${JSON.stringify(value ?? null, undefined, 2)}\n`);
  });
}
