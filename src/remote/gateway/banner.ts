const RULE = '='.repeat(60);

export interface BannerFacts {
  readonly url: string;
  /** Process id of the worker; undefined when it was not started. */
  readonly workerPid: number | undefined;
  readonly storage: string;
  readonly local: string;
  /** The token that was made just now, if one was. */
  readonly firstToken: string | undefined;
  /** Whether there is a token at all. */
  readonly anyToken: boolean;
  readonly exposed: boolean;
  readonly secure: boolean;
}

/** First lines of a gateway that has its terminal to itself. */
export const openingBanner = (): string => `${RULE}\nMyelin\nRobot Control System\n${RULE}\n`;

/** What there is, once it is there. */
export function readyBanner(facts: BannerFacts): string {
  const { url, workerPid, storage, local, firstToken, anyToken, exposed, secure } = facts;
  const webSocket = url.replace(/^http/, 'ws');
  const lines = [
    ...(workerPid === undefined
      ? ['No worker was started: start one with myelin worker']
      : [`✓ Worker process started (PID: ${workerPid})`, 'All processes started successfully']),
    '',
    RULE,
    `✓ Socket.IO Server: ${url}`,
    ...(workerPid === undefined ? [] : ['✓ Worker Process: Running']),
    `✓ WebSocket:        ${webSocket}/ws`,
    `✓ HTTP API:         ${url}/api`,
    `✓ Storage:          ${storage}`,
    RULE,
    '',
    local === 'none'
      ? 'Every client needs a token (myelin token create NAME)'
      : `Without a token this machine may: ${local}`,
    ...(exposed && !secure ? ['! Nothing is encrypted: everybody on this network can read along'] : []),
    ...(anyToken ? [] : [`! There is none yet: myelin token create NAME --right admin --storage ${storage}`]),
    ...(firstToken === undefined
      ? []
      : [
          '',
          'The first token, with the right "admin". It is shown only now; open this or keep it:',
          `  ${tokenUrl(url, firstToken)}`,
        ]),
    '',
    '[INFO] A project is loaded anew on UPDATE command',
    'Press Ctrl+C to stop...',
  ];
  return `${lines.join('\n')}\n`;
}

/** Opens the page with a token. Behind the `#` it is sent to nobody. */
export function tokenUrl(url: string, token: string): string {
  return `${url.replace(/\/\/(0\.0\.0\.0|\[::\])/, '//127.0.0.1')}/#token=${token}`;
}
