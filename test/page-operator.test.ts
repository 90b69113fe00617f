import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { io, type Socket } from 'socket.io-client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { packageRoot } from '../src/platform/entry.ts';
import type { Right } from '../src/remote/protocol/right.ts';
import { ask, connected } from './support/gateway-run.ts';
import { RemoteSystem } from './support/remote-system.ts';

const CHROMIUM = '/usr/bin/chromium';
const missing = [CHROMIUM, join(packageRoot(), 'dist/console/index.html')].filter(
  (file) => !existsSync(file),
);
if (missing.length > 0)
  console.log(`operators on the page are not tested: ${missing.join(' and ')} not there`);

const MAIN = 'export function ping() { return 1; }\n';
let system: RemoteSystem;
const sockets: Socket[] = [];
beforeEach(async () => {
  system = await RemoteSystem.open({ shipped: { 'main.mjs': MAIN } });
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.disconnect();
  await system.close();
  rmSync(system.storage, { recursive: true, force: true });
});
const program = (right: Right, more: object = {}): Promise<Socket> => {
  const socket = io(system.url, { forceNew: true, auth: { token: system.tokens[right], ...more } });
  sockets.push(socket);
  return connected(socket);
};
const ping = { params: { method: 'ping' } };

describe.skipIf(missing.length > 0)('the operator on the page, in a real browser', () => {
  let browser: Browser;
  const contexts: BrowserContext[] = [];
  const complaints: string[] = [];
  beforeAll(async () => {
    browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
    });
  });
  afterAll(async () => browser.close());
  afterEach(async () => {
    for (const context of contexts.splice(0)) await context.close();
    expect(complaints.splice(0)).toEqual([]);
  });
  const open = async (right: Right): Promise<Page> => {
    // Its own browser profile, as of another person: the token is kept in it.
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    contexts.push(context);
    const page = await context.newPage();
    page.on('pageerror', (error) => complaints.push(error.message));
    await page.goto(`${system.url}/#token=${system.tokens[right]}`);
    await page.locator('.operator').waitFor();
    return page;
  };
  const operator = (page: Page, name: string) => page.locator('.operator dd', { hasText: name }).waitFor();
  const press = (page: Page, name: string) => page.getByRole('button', { name, exact: true }).click();

  it('is shown to everybody, taken when nobody is, refused by name, taken over by an admin, given back', async () => {
    const [first, admin, observer] = [await open('operate'), await open('admin'), await open('observe')];
    await operator(first, 'nobody');
    expect(await observer.locator('.operator button').count()).toBe(0);
    await press(first, 'Take');
    await operator(first, 'this page');
    await operator(observer, 'operate_');
    const client = await program('deploy');
    const refused = await ask(client, 'process', ping);
    expect(refused).toMatchObject({
      code: 'OPERATOR_BUSY',
      message: expect.stringMatching(/^"operate_.*page from 127\.0\.0\.1/),
    });

    await press(admin, 'Take over…');
    await admin.getByRole('dialog').getByText('operates by page from').waitFor();
    await press(admin, 'Take over');
    await operator(admin, 'this page');
    await operator(first, 'admin_');
    await press(first, 'Take');
    await first.locator('.notice', { hasText: /"admin_.*operates this robot/ }).waitFor();

    await press(admin, 'Give back');
    await operator(first, 'nobody');
    expect(await ask(client, 'process', ping)).toMatchObject({ status: 'success', data: 1 });
    await operator(first, 'deploy_');
  });

  it('that closes its page, or whose page hangs, is none any more', async () => {
    const page = await open('operate');
    await press(page, 'Take');
    await operator(page, 'this page');
    const client = await program('operate', { watch: true });
    const holder = async () => (await ask(client, 'operator', {})).data as { holder: unknown };
    await page.evaluate('setTimeout(() => { const end = Date.now() + 4000; while (Date.now() < end); }, 0)');
    await expect.poll(holder, { timeout: 20_000 }).toEqual({ holder: null });
    await operator(page, 'nobody');
    await press(page, 'Take');
    await operator(page, 'this page');
    await page.close();
    await expect.poll(holder, { timeout: 20_000 }).toEqual({ holder: null });
  });

  it('fits 360, 1280 and 2560 pixels', async () => {
    const page = await open('admin');
    await program('operate');
    await operator(page, 'operate_');
    for (const width of [360, 1280, 2560]) {
      await page.setViewportSize({ width, height: 900 });
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
      const button = await page.locator('.operator button').boundingBox();
      expect((button?.x ?? 1e9) + (button?.width ?? 0)).toBeLessThanOrEqual(width);
      const folder = process.env.MYELIN_PICTURES;
      if (folder !== undefined) await page.screenshot({ path: join(folder, `operator-${width}.png`) });
    }
  });
});

describe('a page’s connection', () => {
  it('operates as long as it says that it is alive', async () => {
    const token = system.tokens.operate;
    const page = new WebSocket(`${system.url.replace('http', 'ws')}/live`, ['myelin', `bearer.${token}`]);
    const heard: { type: string; text?: string; ok?: boolean; operator?: { ageMs: number } | null }[] = [];
    page.on('message', (data, isBinary) => isBinary || heard.push(JSON.parse(String(data))));
    await new Promise((done) => page.once('open', done));
    const say = (message: object) => page.send(JSON.stringify(message));
    say({ type: 'operator', action: 'take' });
    const operatorNow = () => heard.findLast(({ type }) => type === 'telemetry')?.operator;
    await expect.poll(operatorNow, { timeout: 20_000 }).toMatchObject({ protocol: 'page' });
    const alive = setInterval(() => say({ type: 'alive' }), 300);
    await new Promise((done) => setTimeout(done, 3000));
    expect(operatorNow()).toMatchObject({ protocol: 'page' });
    clearInterval(alive);
    await expect.poll(operatorNow, { timeout: 20_000 }).toBeNull();
    say({ type: 'operator', action: 'take over' });
    await expect.poll(operatorNow, { timeout: 20_000 }).toMatchObject({ protocol: 'page' });
    say({ type: 'operator', action: 'give back' });
    await expect.poll(() => heard.filter(({ type }) => type === 'reply').length, { timeout: 20_000 }).toBe(3);
    expect(heard.filter(({ type }) => type === 'reply').map(({ ok }) => ok)).toEqual([true, true, true]);
    page.close();
  });
});

describe('a connection that only watches', () => {
  it('never operates by connecting; its calls pass beside an operator with its token, and not beside another', async () => {
    const watcher = await program('operate', { watch: true });
    expect((await ask(watcher, 'operator', {})).data).toEqual({ holder: null });
    expect(await ask(watcher, 'process', ping)).toMatchObject({ data: 1 });
    expect((await ask(watcher, 'operator', {})).data).toEqual({ holder: null });
    const own = await program('operate');
    expect(await ask(own, 'process', ping)).toMatchObject({ data: 1 });
    expect(await ask(watcher, 'process', ping)).toMatchObject({ data: 1 });
    const stranger = await program('deploy', { watch: true });
    expect(await ask(stranger, 'process', ping)).toMatchObject({ code: 'OPERATOR_BUSY' });
    const second = await program('operate');
    expect(await ask(second, 'process', ping)).toMatchObject({ code: 'OPERATOR_BUSY' });
    own.disconnect();
    await expect.poll(async () => (await ask(watcher, 'operator', {})).data).toEqual({ holder: null });
    expect(await ask(watcher, 'operator', { action: 'take' })).toMatchObject({
      data: { holder: { protocol: 'socket.io' } },
    });
  });
});
